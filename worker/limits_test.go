package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

var errFlaky = errors.New("flaky")

func TestTaskOptions(t *testing.T) {
	r := testRegistry()
	flaky := func(err error) bool { return errors.Is(err, errFlaky) }
	fails := func(context.Context, *Request) (any, error) { return nil, fmt.Errorf("wrapped: %w", errFlaky) }
	r.Add("auto", fails, AutoRetry(flaky, Backoff{Base: time.Second, Max: 3 * time.Second}), MaxRetries(3))
	r.Add("other", func(context.Context, *Request) (any, error) { return nil, errors.New("for good") }, AutoRetry(flaky, Backoff{}))
	r.Add("never", fails, AutoRetry(flaky, Backoff{}), MaxRetries(0))
	r.Add("asks", func(context.Context, *Request) (any, error) { return nil, &RetryError{Cause: errFlaky} }, MaxRetries(1))
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		o := newClockWitness()
		s.put(task("auto", "auto"), task("other", "other"), task("never", "never"), task("asks", "asks"))
		beginWith(t, s, Config{Pool: "goroutine", Concurrency: 4}, Options{Registry: r, Results: b, Observer: o})
		pass(time.Hour)
		for id, want := range map[string]string{
			"auto": "[RETRY RETRY RETRY FAILURE]", "other": "[FAILURE]", "never": "[FAILURE]", "asks": "[RETRY FAILURE]",
		} {
			if got := fmt.Sprint(b.states[id]); got != want {
				t.Errorf("task %s: %s, want %s", id, got, want)
			}
		}
		if at, want := o.starts()["auto"], 6*time.Second; at < want || at > want+time.Second { // 1 + 2 + 3, the bound
			t.Errorf("the last attempt began after %v, want %v", at, want)
		}
		if x := b.record(t, "auto").Exception; x == nil || !strings.Contains(x.Error(), "flaky") {
			t.Errorf("what it failed with is %v, not its own error", x)
		}
	})
}

func TestBackoff(t *testing.T) {
	b := Backoff{Base: time.Second, Max: time.Minute}
	for retries, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 5: 32 * time.Second, 6: time.Minute, 1000: time.Minute} {
		if got := b.Pause("x", retries); got != want {
			t.Errorf("after %d retries: %v, want %v", retries, got, want)
		}
	}
	b.Jitter = true
	seen := map[time.Duration]bool{}
	for i := range 100 {
		id := fmt.Sprint(i)
		p := b.Pause(id, 6)
		if p < 0 || p > time.Minute || p != b.Pause(id, 6) {
			t.Errorf("pause %v of task %s is out of bounds, or another one the second time", p, id)
		}
		seen[p] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 tasks have %d pauses between them", len(seen))
	}
}

// Tasks that wait for their turn hold no place in the pool, and keep their order.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		r := testRegistry()
		r.Add("paced", func(context.Context, *Request) (any, error) { return nil, nil }, RateLimit("6/m"))
		o := newClockWitness()
		for i := range 3 {
			s.put(task("paced", fmt.Sprint("p", i)))
			synctest.Wait()
		}
		s.put(task("noop", "free"))
		w := beginWith(t, s, Config{Pool: "solo", Prefetch: 8}, Options{Registry: r, Observer: o})
		pass(11 * time.Second)
		if len(o.starts()) != 3 || o.starts()["free"] > time.Second {
			t.Errorf("after 11 s these were started: %v", o.starts())
		}
		w.tasks["paced"].setRate(0)
		pass(time.Second)
		if s.left() != 0 {
			t.Errorf("%d are left once there is no limit", s.left())
		}
		s.put(task("paced", "last"))
		synctest.Wait()
		w.tasks["paced"].setRate(1.0 / 3600)
		s.put(task("paced", "waits"))
		synctest.Wait()
		w.stop()
		if len(s.ready) != 1 {
			t.Errorf("%d messages went back at the stop, want the one that waited", len(s.ready))
		}
	})
}

func TestTimeLimitsThatATaskHas(t *testing.T) {
	var soft, hard atomic.Int64
	r := testRegistry()
	r.Add("slow", func(ctx context.Context, r *Request) (any, error) {
		<-ctx.Done()
		soft.Add(1)
		return nil, context.Cause(ctx)
	}, SoftLimit(2*time.Second))
	r.Add("deafer", func(context.Context, *Request) (any, error) {
		hard.Add(1)
		<-time.After(time.Hour)
		return nil, nil
	}, HardLimit(3*time.Second), AcksOnFailureOrTimeout(false))
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		s.put(task("slow", "soft"), task("deafer", "poison"))
		own, err := message.New("slow", "own", nil, nil, message.Options{Soft: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		s.put(own)
		o := &witness{}
		w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 3, MaxAttempts: 3}, Options{Registry: r, Results: b, Observer: o})
		pass(5 * time.Second)
		if got := b.record(t, "soft"); got.State != result.Failure || text(got.Exception) != "billiard.exceptions.SoftTimeLimitExceeded" {
			t.Errorf("soft: %+v %v", got, got.Exception)
		}
		if got := b.record(t, "own"); got.State != result.Pending {
			t.Errorf("the message's own limit does not count: %+v", got)
		}
		pass(5 * time.Second)
		if soft.Load() != 2 {
			t.Errorf("%d contexts ended", soft.Load())
		}
		// A timeout counts as an attempt where it is not acknowledged: three, and then aside.
		if hard.Load() != 3 || !slices.Equal(s.deadIDs(), []string{"poison"}) {
			t.Errorf("the one that times out was started %d times; aside are %q", hard.Load(), s.deadIDs())
		}
		if got := b.record(t, "poison"); got.State != result.Failure || text(got.Exception) != "billiard.exceptions.TimeLimitExceeded: 3" {
			t.Errorf("poison: %+v %v", got, got.Exception)
		}
		w.stop()
		pass(2 * time.Hour) // the abandoned ones end
	})
}

// A child that dies over a task that is not to go back leaves a failure.
func TestATaskThatIsNotRejectedWhenItsChildIsLost(t *testing.T) {
	no := false
	s, b := newFake(), newMoody()
	s.put(task("crash", "x"))
	w := beginWith(t, s, Config{Pool: "prefork", Concurrency: 1, RejectOnWorkerLost: &no}, Options{Results: b})
	eventually(t, "the message is acknowledged", func() bool { return s.left() == 0 })
	if r := b.record(t, "x"); r.State != result.Failure || r.Exception.Type != "WorkerLostError" || w.Stats().Killed != 1 {
		t.Errorf("%+v %v; %+v", r, r.Exception, w.Stats())
	}
}

func TestRevokedTasksAreNotRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		o := &witness{}
		w := beginWith(t, s, Config{Pool: "solo", StateDB: path}, Options{Results: b, Observer: o})
		synctest.Wait()
		if err := w.revoked.Add("a", "later"); err != nil {
			t.Fatal(err)
		}
		s.put(task("noop", "a"), task("noop", "b"))
		stamped := task("noop", "stamped")
		stamped.Headers["stamped_headers"], stamped.Headers["tenant"] = []any{"tenant"}, "x"
		if err := w.revoked.AddStamps(map[string][]string{"tenant": {"x"}}); err != nil {
			t.Fatal(err)
		}
		s.put(stamped, dueIn("late", time.Hour))
		synctest.Wait()
		if err := w.revoked.Add("late"); err != nil { // while it waits
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if n := o.count(Started, 0); n != 1 || s.left() != 0 || w.Stats().Revoked != 3 {
			t.Errorf("%d were run, want b alone; %d left; %+v", n, s.left(), w.Stats())
		}
		for _, id := range []string{"a", "stamped", "late"} {
			if r := b.record(t, id); r.State != result.Revoked || text(r.Exception) != "celery.exceptions.TaskRevokedError: revoked" {
				t.Errorf("%s: %+v", id, r)
			}
		}
		w.stop()
		again := beginWith(t, s, Config{Pool: "solo", StateDB: path}, Options{Results: b, Observer: o})
		s.put(task("noop", "later"))
		pass(time.Second)
		if r := b.record(t, "later"); r.State != result.Revoked {
			t.Errorf("after a restart, it is %s", r.State)
		}
		again.stop()
	})
}

func TestStopsOfEveryKind(t *testing.T) {
	for name, c := range map[string]struct {
		how  []Shutdown
		took time.Duration
		left int
	}{
		"warm":      {[]Shutdown{Warm}, 10 * time.Second, 0},
		"soft":      {[]Shutdown{Soft}, 3 * time.Second, 1},
		"cold":      {[]Shutdown{Cold}, 0, 1},
		"warm cold": {[]Shutdown{Warm, Cold}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				s.put(task("wait", "x", 10_000))
				w := beginWith(t, s, Config{Pool: "solo", SoftStop: 3 * time.Second}, Options{})
				synctest.Wait()
				began := time.Now()
				for _, how := range c.how {
					w.Stop(how)
				}
				w.stop()
				if took := time.Since(began); took != c.took || len(s.ready) != c.left {
					t.Errorf("it took %v and left %d, want %v and %d", took, len(s.ready), c.took, c.left)
				}
			})
		})
	}
}
