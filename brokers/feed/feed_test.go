package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"taskbench/brokers"
)

// fake is a source that offers tags 1 to n at once and remembers what was done with them.
type fake struct {
	mu      sync.Mutex
	next, n uint64
	settled map[uint64]Outcome
	unseen  []uint64
	ended   bool
	refuse  error
}

func (f *fake) Take(buf []Item) []Item {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.next < f.n {
		f.next++
		buf = append(buf, Item{Tag: f.next})
	}
	return buf
}

func (f *fake) Settle(_ context.Context, tag uint64, o Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	f.settled[tag] = o
	return nil
}

func (f *fake) SetPrefetch(int) error { return nil }

func (f *fake) End(unseen []uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unseen, f.ended = unseen, true
}

func TestContextEndGivesBackWhatNobodyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, read = 3*window + 7, 5
		src := &fake{n: all, settled: map[uint64]Outcome{}}
		ctx, cancel := context.WithCancel(t.Context())
		c := Consume(ctx, src, Signals{Wake: make(chan struct{}, 1), Lost: make(chan struct{})})
		for range read {
			<-c.Deliveries()
		}
		cancel()
		synctest.Wait()
		if d, open := <-c.Deliveries(); open {
			t.Fatalf("after its context's end the consumer delivered %v", d)
		}
		if len(src.unseen) != all-read || c.Err() != nil || !src.ended {
			t.Errorf("%d of %d unread messages went back, Err is %v", len(src.unseen), all-read, c.Err())
		}
		slices.Sort(src.unseen)
		if len(slices.Compact(src.unseen)) != all-read || src.unseen[0] != read+1 {
			t.Errorf("given back: %v, want each of %d to %d once", src.unseen, read+1, all)
		}
	})
}

func TestLossClosesDeliveriesWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause, lost := errors.New("cut"), make(chan struct{})
		src := &fake{n: 3, settled: map[uint64]Outcome{}}
		c := Consume(t.Context(), src, Signals{Wake: make(chan struct{}, 1), Lost: lost, Cause: func() error { return cause }})
		synctest.Wait()
		if c.Err() != nil {
			t.Errorf("while it is well, Err is %v", c.Err())
		}
		close(lost)
		synctest.Wait()
		if d, open := <-c.Deliveries(); open {
			t.Errorf("a lost consumer delivered %v", d)
		}
		if !errors.Is(c.Err(), cause) || src.ended {
			t.Errorf("Err is %v, want %v; ended %v, want that a lost source is left alone", c.Err(), cause, src.ended)
		}
	})
}

func TestWakeBringsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake := make(chan struct{}, 1)
		src := &fake{settled: map[uint64]Outcome{}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := Consume(ctx, src, Signals{Wake: wake, Lost: make(chan struct{})})
		synctest.Wait()
		src.mu.Lock()
		src.n = 1
		src.mu.Unlock()
		synctest.Wait()
		if len(c.out) != 0 {
			t.Fatal("the consumer took without having been woken")
		}
		wake <- struct{}{}
		<-c.Deliveries()
	})
}

func TestSettlingTwice(t *testing.T) {
	src := &fake{settled: map[uint64]Outcome{}}
	d := &delivery{source: src, item: Item{Tag: 1}}
	if err := d.Nack(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(t.Context()); !errors.Is(err, brokers.ErrSettled) {
		t.Errorf("settling again gives %v, want ErrSettled", err)
	}
	if src.settled[1] != Reject {
		t.Errorf("outcome %d, want that of the first settling, %d", src.settled[1], Reject)
	}
}

func TestSettlingAgainAfterARefusal(t *testing.T) {
	src := &fake{settled: map[uint64]Outcome{}, refuse: brokers.Refusef("not now")}
	d := &delivery{source: src, item: Item{Tag: 1}}
	if err := d.Ack(t.Context()); !brokers.Definite(err) {
		t.Fatalf("got %v, want the refusal", err)
	}
	src.refuse = nil
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("an ack that was refused without effect cannot be tried again: %v", err)
	}
	src.refuse = errors.New("nobody knows")
	d = &delivery{source: src, item: Item{Tag: 2}}
	if err := d.Ack(t.Context()); err == nil {
		t.Fatal("the failure was not told")
	}
	if err := d.Ack(t.Context()); !errors.Is(err, brokers.ErrSettled) {
		t.Errorf("an ack of unknown outcome was tried again: %v", err)
	}
}
