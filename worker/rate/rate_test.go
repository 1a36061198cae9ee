package rate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestParse(t *testing.T) {
	good := map[string]Limit{
		"10/s": 10, "10/m": 10.0 / 60, "100/h": 100.0 / 3600, "5": 5, "0.5": 0.5, "0": 0, "": 0, "none": 0, "0/m": 0, " 3 /s": 3,
	}
	for text, want := range good {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1/s", "1/d", "1/", "/s", "NaN", "1/s/s", "Inf/s"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, and it is no limit", text, got)
		}
	}
}

// times lets n callers wait, one after the other by a millisecond, and returns when and in which order they came on.
func times(t *testing.T, b *Bucket, n int) (order []int, at []time.Duration) {
	t.Helper()
	start := time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-time.After(time.Duration(i) * time.Millisecond)
			if err := b.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, i)
			at = append(at, time.Since(start))
		})
	}
	all.Wait()
	return order, at
}

func TestTokensComeOneByOneAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bucket
		b.Set(2)
		order, at := times(t, &b, 4)
		if want := []int{0, 1, 2, 3}; !slices.Equal(order, want) {
			t.Errorf("callers came on in the order %v", order)
		}
		for i, got := range at {
			if want := time.Duration(i) * 500 * time.Millisecond; got != want {
				t.Errorf("caller %d came on after %v, want %v", i, got, want)
			}
		}
	})
}

// A long idle time saves up one token, not many.
func TestIdlenessSavesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bucket
		b.Set(1)
		<-time.After(time.Hour)
		_, at := times(t, &b, 2)
		if at[0] != 0 || at[1] != time.Second {
			t.Errorf("they came on after %v", at)
		}
	})
}

func TestTheLimitChangesForThoseWhoWait(t *testing.T) {
	for _, l := range []Limit{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			var b Bucket
			b.Set(1.0 / 3600)
			start := time.Now()
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { _ = b.Wait(t.Context()) })
			}
			synctest.Wait()
			if n := b.Waiting(); n != 2 {
				t.Errorf("%d wait, want 2", n)
			}
			<-time.After(time.Minute)
			b.Set(l)
			all.Wait()
			want := time.Minute
			if l > 0 {
				want += time.Second // one at once, since its second is over, and one a second later
			}
			if got := time.Since(start); got != want {
				t.Errorf("limit %v: all were in after %v, want %v", l, got, want)
			}
		})
	}
}

func TestWhoeverLeavesHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bucket
		b.Set(1)
		_ = b.Wait(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- b.Wait(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		start := time.Now()
		if err := b.Wait(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("the next one came on after %v with %v", time.Since(start), err)
		}
	})
}
