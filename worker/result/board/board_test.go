package board

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func told(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBoardWakesWhoWaits(t *testing.T) {
	var b Board
	a1, leave1 := b.Join("a")
	a2, leave2 := b.Join("a")
	other, leave3 := b.Join("b")
	b.Wake("a", "nobody", "a")
	if !told(a1) || !told(a2) || told(other) || told(a1) {
		t.Error("the wrong ones were told, or twice")
	}
	leave1()
	leave1()
	b.Wake("a")
	if told(a1) || !told(a2) {
		t.Error("who has left was told, or who has not was not")
	}
	leave2()
	leave3()
	if ids := b.IDs(); len(ids) != 0 {
		t.Errorf("%v is left behind", ids)
	}
}

// However many wait, one question is asked an interval; and none while nobody waits.
func TestPollerDoesNotStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, most atomic.Int64
		var done atomic.Bool
		p := Poll(50*time.Millisecond, time.Second, func(_ context.Context, ids []string) ([]string, error) {
			asked.Add(1)
			most.Store(max(most.Load(), int64(len(ids))))
			switch {
			case asked.Load()%3 == 0:
				return nil, fmt.Errorf("down")
			case done.Load():
				return ids, nil
			}
			return nil, nil
		})
		time.Sleep(time.Hour)
		if n := asked.Load(); n != 0 {
			t.Errorf("%d questions while nobody waited", n)
		}
		news, leave := p.Join("first")
		for i := range 1000 {
			p.Join(fmt.Sprint(i))
		}
		time.Sleep(time.Second)
		if n := asked.Load(); n < 18 || n > 22 || most.Load() != 1001 {
			t.Errorf("%d questions in a second, the largest about %d", n, most.Load())
		}
		if told(news) {
			t.Error("told without news")
		}
		done.Store(true)
		time.Sleep(110 * time.Millisecond)
		if !told(news) {
			t.Error("not told of news")
		}
		leave()
		p.Close()
		p.Close()
	})
}
