package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// once is a task's message marked as a chord's body is.
func once(name, id string, args ...any) brokers.Message {
	m := task(name, id, args...)
	m.Headers[canvas.HeaderOnce] = true
	return m
}

// unclaimed is a backend without claims.
type unclaimed struct{ result.Backend }

// Two copies of a chord's body that are taken at the same moment are run once: the second waits, for longer than a claim
// lasts unless it is renewed, and is acknowledged unrun when the first has succeeded. Without claims both are run.
func TestTwoCopiesAtTheSameMoment(t *testing.T) {
	for name, c := range map[string]struct {
		workers, prefetch int
		spoil             func(result.Backend) result.Backend
		starts            uint64
	}{
		"two workers":                      {2, 0, nil, 1},
		"two workers that hold one each":   {2, 1, nil, 1},
		"one worker":                       {1, 0, nil, 1},
		"two workers and no claims":        {2, 0, func(b result.Backend) result.Backend { return unclaimed{b} }, 2},
		"one worker and no claims":         {1, 0, func(b result.Backend) result.Backend { return unclaimed{b} }, 2},
		"a task that need not be run once": {2, 0, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := newFake(), newMoody()
				var b result.Backend = m
				if c.spoil != nil {
					b = c.spoil(b)
				}
				var all []startedWorker
				for range c.workers {
					all = append(all, beginWith(t, s, Config{Pool: "goroutine", Concurrency: 2, Prefetch: c.prefetch}, Options{Results: b}))
				}
				body := once("wait", "body", 40_000)
				if name == "a task that need not be run once" {
					body = task("wait", "body", 40_000)
				}
				s.put(body, body)
				pass(20 * time.Second)
				s.put(task("noop", "another")) // a copy that waits keeps no other task from its worker
				pass(time.Second)
				if got := m.record(t, "another").State; got != result.Success && c.starts == 1 {
					t.Errorf("another task is in state %s meanwhile", got)
				}
				pass(time.Minute)
				starts, unrun := uint64(0), uint64(0)
				for _, w := range all {
					starts, unrun = starts+w.Stats().Started, unrun+w.Stats().Deduplicated
				}
				if s.left() != 0 || starts != c.starts+1 || unrun != 2-c.starts {
					t.Errorf("%d left, %d started beside the other, %d acknowledged unrun; want 0, %d, %d", s.left(), starts-1, unrun, c.starts, 2-c.starts)
				}
				for _, w := range all {
					w.stop()
				}
			})
		})
	}
}

// A claim of a worker that has died lapses, and then the copy that waits is run.
func TestAClaimOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		if _, err := b.Claim(t.Context(), "body", "dead", claimLife); err != nil {
			t.Fatal(err)
		}
		s.put(once("noop", "body"))
		w := beginWith(t, s, Config{Pool: "goroutine"}, Options{Results: b})
		pass(claimLife - time.Second)
		if st := w.Stats(); st.Started != 0 || s.left() != 1 {
			t.Errorf("before the claim lapsed: %d started, %d left; want 0, 1", st.Started, s.left())
		}
		pass(2 * time.Second)
		if st := w.Stats(); st.Succeeded != 1 || s.left() != 0 {
			t.Errorf("after that: %d succeeded, %d left; want 1, 0", st.Succeeded, s.left())
		}
		w.stop()
	})
}

// cutOff are results that take their time to answer to claims, and for a while do not at all.
type cutOff struct {
	*moody
	from, until time.Time
}

func (c cutOff) Claim(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error) {
	if now := time.Now(); now.After(c.from) && now.Before(c.until) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	defer func() { <-time.After(10 * time.Millisecond) }()
	return c.moody.Claim(ctx, id, holder, life)
}

// Of three tries to renew a claim one is enough, also where the others are not answered: the copy that another worker has waits on.
func TestAClaimOfAWorkerThatIsCutOffForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, b := newFake(), newFake(), newMoody()
		lapses := time.Now().Add(claimLife)
		first.put(once("wait", "body", 30_000))
		w := beginWith(t, first, Config{Pool: "goroutine"}, Options{Results: cutOff{b, time.Now().Add(time.Second), lapses.Add(-4 * time.Second)}})
		pass(time.Second)
		second.put(once("wait", "body", 30_000))
		v := beginWith(t, second, Config{Pool: "goroutine"}, Options{Results: b})
		pass(time.Minute)
		if a, b := w.Stats(), v.Stats(); a.Succeeded != 1 || b.Started != 0 || b.Deduplicated != 1 || second.left() != 0 {
			t.Errorf("%d succeeded; of the copy %d were started, %d acknowledged unrun, %d left; want 1, 0, 1, 0", a.Succeeded, b.Started, b.Deduplicated, second.left())
		}
		w.stop()
		v.stop()
	})
}

// A copy that waits is run soon after the other has failed, and goes back to the broker when its worker stops first.
func TestACopyThatWaits(t *testing.T) {
	r := testRegistry()
	r.Add("second", func(_ context.Context, r *Request) (any, error) { // the first that runs fails, after a while
		if r.Redelivered {
			return "second", nil
		}
		<-time.After(5 * time.Second)
		return nil, errors.New("as asked")
	})
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		first, second := newFake(), newFake() // which hands out one copy each
		first.put(once("second", "body"))
		w := beginWith(t, first, Config{Pool: "goroutine"}, Options{Results: b, Registry: r})
		pass(time.Second)
		second.mu.Lock()
		second.ready = append(second.ready, fakeItem{m: once("second", "body"), redelivered: true})
		second.mu.Unlock()
		v := beginWith(t, second, Config{Pool: "goroutine"}, Options{Results: b, Registry: r})
		pass(time.Second)
		if st := v.Stats(); st.Started != 0 || second.left() != 1 {
			t.Errorf("while the other runs: %d started, %d left; want 0, 1", st.Started, second.left())
		}
		s.put(once("second", "body"))
		u := beginWith(t, s, Config{Pool: "goroutine"}, Options{Results: b, Registry: r})
		pass(time.Second)
		u.stop()
		if st := u.Stats(); st.Started != 0 || s.left() != 1 {
			t.Errorf("of the worker that stopped: %d started, %d left; want 0, 1", st.Started, s.left())
		}
		pass(4 * time.Second)
		if got := b.record(t, "body"); got.State != result.Success || second.left() != 0 {
			t.Errorf("after the failure: %s, %d left; want that the copy has succeeded", got.State, second.left())
		}
		w.stop()
		v.stop()
	})
}

// While the backend is out of reach a task that has to be claimed is neither run nor lost: it is run when the backend is
// back, and goes back to the broker when the worker stops first.
func TestClaimOutOfReach(t *testing.T) {
	for name, back := range map[string]bool{"and back": true, "until the stop": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, b := newFake(), newMoody()
				b.set(true)
				s.put(once("noop", "body"))
				book, log := newLogbook(t)
				w := beginWith(t, s, Config{Pool: "goroutine"}, Options{Results: b, Log: log})
				pass(time.Minute)
				if n := len(book.of("a step of a task cannot be done yet: it is tried again; see that the result backend and the broker run")); n != 1 {
					t.Errorf("it was said %d times that a task that was not run yet has to wait", n)
				}
				if st := w.Stats(); st.Started != 0 || s.left() != 1 {
					t.Errorf("meanwhile: %d started, %d left; want 0, 1", st.Started, s.left())
				}
				want := 1
				if back {
					b.set(false)
					pass(5 * time.Second)
					want = 0
				}
				w.stop()
				if st := w.Stats(); s.left() != want || st.Succeeded != uint64(1-want) {
					t.Errorf("in the end: %d left, %d succeeded; want %d, %d", s.left(), st.Succeeded, want, 1-want)
				}
			})
		})
	}
}
