package group

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"taskbench/brokers"
)

func TestGroupSendsTogetherWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		gate := make(chan struct{})
		odd := errors.New("odd")
		g := New(func(ns []int) []error {
			<-gate
			sizes = append(sizes, len(ns))
			errs := make([]error, len(ns))
			for i, n := range ns {
				if n%2 == 1 {
					errs[i] = odd
				}
			}
			return errs
		})
		var callers sync.WaitGroup
		do := func(n int) {
			callers.Go(func() {
				err := g.Do(t.Context(), n, nil)
				if (n%2 == 1) != errors.Is(err, odd) {
					t.Errorf("wish %d got the outcome %v of another", n, err)
				}
			})
			synctest.Wait()
		}
		for n := range 6 {
			do(n)
		}
		close(gate)
		callers.Wait()
		g.Close()
		if !slices.Equal(sizes, []int{1, 5}) {
			t.Errorf("exchanges of %v wishes, want one of the first, and one of all that came while it was under way", sizes)
		}
		if err := g.Do(t.Context(), 7, nil); !errors.Is(err, brokers.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
	})
}

func TestGroupKnowsWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var sent []string
		g := New(func(s []string) []error {
			sent = append(sent, s...)
			<-gate
			return make([]error, len(s))
		})
		first, stopFirst := context.WithCancel(t.Context())
		second, stopSecond := context.WithCancel(t.Context())
		settled := make(chan error, 1)
		outcomes := make(chan error, 2)
		go func() { outcomes <- g.Do(first, "sent", func(err error) { settled <- err }) }()
		synctest.Wait()
		go func() { outcomes <- g.Do(second, "waits", nil) }()
		synctest.Wait()

		stopSecond()
		if err := <-outcomes; !brokers.Definite(err) || !errors.Is(err, context.Canceled) {
			t.Errorf("taken back before it was sent: %v, want a Definite error", err)
		}
		stopFirst()
		if err := <-outcomes; err == nil || brokers.Definite(err) {
			t.Errorf("given up after it was sent: %v, want an error that is not Definite", err)
		}
		close(gate)
		if err := <-settled; err != nil {
			t.Errorf("its outcome, told later: %v", err)
		}
		g.Close()
		if !slices.Equal(sent, []string{"sent"}) {
			t.Errorf("sent %v", sent)
		}
	})
}

// Of an outcome that is there and a context that has ended, the outcome says more: every time, and not when chance has it so.
func TestAnOutcomeThatIsThereIsNotLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		w := &wish[int]{outcome: make(chan error, 1)}
		w.taken.Store(true)
		w.outcome <- nil
		if err := w.await(ctx); err != nil {
			t.Fatalf("what was done is told as %v", err)
		}
	}
}

// What cannot be packed, and what the server refuses, keeps no other message back, and each has an error of its own.
func TestPublishAllKeepsItsPlaces(t *testing.T) {
	full, odd := errors.New("full"), errors.New("odd")
	var sent []string
	g := New(func(bodies []string) []error {
		sent = append(sent, bodies...)
		errs := make([]error, len(bodies))
		for i, body := range bodies {
			if body == "full" {
				errs[i] = full
			}
		}
		return errs
	})
	defer g.Close()
	pack := func(m brokers.Message) (string, error) {
		if string(m.Body) == "odd" {
			return "", odd
		}
		return string(m.Body), nil
	}
	var ms []brokers.Message
	for i, body := range []string{"a", "odd", "full", "b"} {
		ms = append(ms, brokers.Message{Queue: string(rune('p' + i)), Body: []byte(body)})
	}
	errs := g.PublishAll(t.Context(), "store", ms, pack)
	if len(errs) != 4 || errs[0] != nil || errs[3] != nil || !errors.Is(errs[1], odd) || !errors.Is(errs[2], full) || !slices.Equal(sent, []string{"a", "full", "b"}) {
		t.Fatalf("outcomes %v, sent %q", errs, sent)
	}
	if text := errs[2].Error(); text != "publish to r in store: full" {
		t.Errorf("it says %q", text)
	}
}
