package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
)

// What every pool does alike. A behaviour whose most is 1 suits solo.
var behaviours = []struct {
	name string
	size int
	hold func(t *testing.T, kind string, p managed)
}{
	{"a job is seen as it was sent", 1, func(t *testing.T, _ string, p managed) {
		j := job(t, "echo")
		j.Redelivered, j.Soft, j.Hard, j.Attempt = true, time.Hour, 2*time.Hour, 1<<40+7
		want := `q [[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}] [1 x <nil>] r 1099511627783 true 1h0m0s 2h0m0s`
		if r := p.Run(t.Context(), j); r.Status != Failed || r.Err.Error() != want {
			t.Errorf("%+v, want %s", r, want)
		}
	}},
	{"a result is told as it was", 1, func(t *testing.T, _ string, p managed) {
		r := p.Run(t.Context(), job(t, "retry"))
		if r.Status != Retry || r.After != time.Minute || r.Err.Error() != "again" || r.Exception.Error() != `m.C: (1, "x")` {
			t.Errorf("%+v, want a retry after a minute, with its exception", r)
		}
		for _, n := range []int{0, 100_000} {
			if r := p.Run(t.Context(), job(t, fmt.Sprint("value ", n))); r.Status != OK || string(r.Value) != `{"a": [1, "`+strings.Repeat("x", n)+`"]}` || r.Exception != nil {
				t.Errorf("value of %d: status %d, %d bytes", n, r.Status, len(r.Value))
			}
		}
		if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK || r.Value != nil {
			t.Errorf("%+v, want nothing but that it went well", r)
		}
	}},
	{"waiting for a place ends with the context", 1, func(t *testing.T, _ string, p managed) {
		ended := begin(t, p, job(t, "wait"))
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan Result, 1)
		go func() { waiting <- p.Run(ctx, job(t, "pid")) }()
		cancel()
		if r := within(t, time.Minute, waiting); r.Status != Unstarted {
			t.Errorf("%+v, want unstarted", r)
		}
		if r := p.Run(ctx, job(t, "pid")); r.Status != Unstarted {
			t.Errorf("run with an ended context: %+v, want unstarted", r)
		}
		p.Cancel(errors.New("enough"))
		if r := within(t, time.Minute, ended); r.Status != Failed || r.Err.Error() != "enough" {
			t.Errorf("%+v, want the cause of the cancel", r)
		}
	}},
	{"a context that has ended in silence is seen when there is a place", 1, func(t *testing.T, _ string, p managed) {
		first := job(t, "wait")
		ended := begin(t, p, first)
		ctx := &silent{Context: t.Context()}
		waiting := make(chan Result, 1)
		go func() { waiting <- p.Run(ctx, job(t, "pid")) }()
		until(t, "the second job waits", ctx.waited.Load)
		p.Kill(first.Attempt, syscall.SIGKILL)
		within(t, time.Minute, ended)
		if r := within(t, time.Minute, waiting); r.Status != Unstarted {
			t.Errorf("%+v, want unstarted", r)
		}
		if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK { // it has not kept the place
			t.Errorf("the next: %+v", r)
		}
	}},
	{"the soft limit is the context's", 1, func(t *testing.T, _ string, p managed) {
		j := job(t, "wait")
		j.Soft = 20 * time.Millisecond
		if r := p.Run(t.Context(), j); r.Status != TimedOut || r.Err.Error() != ErrSoftLimit.Error() || r.PID != 0 {
			t.Errorf("%+v, want the soft limit", r)
		}
		j = job(t, "wait")
		j.Task.Message.Headers["timelimit"] = []any{nil, 0.02} // for children
		j.Task.Soft = 20 * time.Millisecond
		if r := p.Run(t.Context(), j); r.Status != TimedOut || r.Err.Error() != ErrSoftLimit.Error() {
			t.Errorf("%+v, want the message's soft limit", r)
		}
	}},
	{"the hard limit ends what does not heed", 1, func(t *testing.T, kind string, p managed) {
		j := job(t, "deaf 3000")
		j.Hard = 1500 * time.Millisecond
		began := time.Now()
		r := within(t, time.Minute, begin(t, p, j))
		if took := time.Since(began); took < j.Hard || took > 2900*time.Millisecond {
			t.Errorf("it took %v, with a limit of %v", took, j.Hard)
		}
		if r.Status != TimedOut || !errors.Is(r.Err, ErrHardLimit) || !errors.Is(r.Err, ErrTimeLimit) || r.PID == 0 {
			t.Errorf("%+v, want the hard limit", r)
		}
		if x := r.Exception; x == nil || x.Error() != "billiard.exceptions.TimeLimitExceeded: 1.5" {
			t.Errorf("exception %v", r.Exception)
		}
		if n := p.Abandoned(); (kind != "prefork") != (n == 1) {
			t.Errorf("%d abandoned", n)
		}
		if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK { // the place is free again
			t.Errorf("the next: %+v", r)
		}
		until(t, "the abandoned attempt is over", func() bool { return p.Abandoned() == 0 })
	}},
	{"a job below its limits is not touched", 1, func(t *testing.T, _ string, p managed) {
		for range 20 {
			j := job(t, "value 5")
			j.Soft, j.Hard = time.Minute, time.Minute
			if r := p.Run(t.Context(), j); r.Status != OK || r.Value == nil {
				t.Fatalf("%+v", r)
			}
		}
	}},
	{"kill ends the attempt that is meant", 1, func(t *testing.T, _ string, p managed) {
		if p.Kill(1<<50, syscall.SIGTERM) {
			t.Error("an attempt was killed that nobody began")
		}
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			j := job(t, "wait")
			ended := begin(t, p, j)
			if l, ok := p.Pool.(Locator); ok != (len(p.PIDs()) > 0) {
				t.Errorf("a Locator: %v, and its children are %v", ok, p.PIDs())
			} else if ok && (!slices.Contains(p.PIDs(), l.Locate(j.Attempt)) || l.Locate(1<<50) != 0) {
				t.Errorf("the attempt runs in %d, and one that nobody began in %d, of %v", l.Locate(j.Attempt), l.Locate(1<<50), p.PIDs())
			}
			if !p.Kill(j.Attempt, sig) {
				t.Fatal("the attempt was not found")
			}
			if r := within(t, time.Minute, ended); r.Status != Killed || !r.Terminated {
				t.Errorf("%v: %+v, want killed and terminated", sig, r)
			}
			if p.Kill(j.Attempt, sig) {
				t.Error("it was killed again")
			}
			if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
				t.Errorf("the next: %+v", r)
			}
		}
	}},
	{"tasks publish", 1, func(t *testing.T, _ string, p managed) {
		var mu sync.Mutex
		got := map[string]int{}
		j := job(t, "send 20")
		j.Send = func(m brokers.Message) error {
			mu.Lock()
			defer mu.Unlock()
			got[m.Queue] = len(m.Body)
			switch m.Queue {
			case "q3":
				return brokers.Refusef("the queue is full")
			case "q4":
				return errors.New("nobody knows")
			}
			return nil
		}
		if r := p.Run(t.Context(), j); r.Err == nil || r.Err.Error() != "2 failed, 1 of them surely" {
			t.Errorf("%+v", r)
		}
		for i := range 20 {
			if size, ok := got[fmt.Sprint("q", i)]; !ok || size != i<<8 {
				t.Errorf("message %d came with %d bytes, %v", i, size, ok)
			}
		}
		if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
			t.Errorf("the next: %+v", r)
		}
	}},
	{"what a task sends while it ends harms no other", 1, func(t *testing.T, _ string, p managed) {
		var sent atomic.Int32
		for i := range 100 {
			j := job(t, fmt.Sprint("stray ", i))
			j.Send = func(brokers.Message) error { sent.Add(1); return nil }
			if r := p.Run(t.Context(), j); r.Status != OK {
				t.Fatalf("%+v", r)
			}
			if r := p.Run(t.Context(), job(t, "value 3")); r.Status != OK || len(r.Value) == 0 {
				t.Fatalf("the next: %+v", r)
			}
		}
		if sent.Load() == 0 {
			t.Error("nothing was sent: this shows nothing")
		}
	}},
	{"kill leaves the others alone", 2, func(t *testing.T, _ string, p managed) {
		p.Run(t.Context(), job(t, "noop"))
		other, meant := job(t, "nap 600"), job(t, "wait")
		others := begin(t, p, other)
		ended := begin(t, p, meant)
		if !p.Kill(meant.Attempt, syscall.SIGTERM) {
			t.Error("the attempt was not found")
		}
		if r := within(t, time.Minute, ended); !r.Terminated {
			t.Errorf("%+v, want it terminated", r)
		}
		if r := within(t, time.Minute, others); r.Status != OK {
			t.Errorf("the other: %+v", r)
		}
	}},
	{"the size is the most at a time", 3, func(t *testing.T, _ string, p managed) {
		var all sync.WaitGroup
		began := time.Now()
		for range 6 {
			all.Go(func() {
				if r := p.Run(t.Context(), job(t, "deaf 400")); r.Status != OK {
					t.Errorf("%+v", r)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took < 800*time.Millisecond || took > 2300*time.Millisecond || p.Size() != 3 {
			t.Errorf("6 of 400 ms took %v with %d places", took, p.Size())
		}
	}},
	{"it grows and shrinks under load, and loses nothing", 4, func(t *testing.T, _ string, p managed) {
		var all sync.WaitGroup
		left := make(chan *Job, 600)
		for range cap(left) {
			left <- job(t, "nap 1")
		}
		close(left)
		for range 16 {
			all.Go(func() {
				for j := range left {
					if r := p.Run(t.Context(), j); r.Status != OK {
						t.Errorf("%+v", r)
					}
				}
			})
		}
		for _, n := range []int{1, 8, 2, 6, 0, 3} {
			if err := p.Resize(n); err != nil {
				t.Error(err)
			}
			if p.Size() != n {
				t.Errorf("size %d, want %d", p.Size(), n)
			}
			if len(left) > 90 {
				if n == 0 {
					continue
				}
				next := len(left) - 90
				until(t, "some jobs are done", func() bool { return len(left) <= next })
			}
		}
		all.Wait()
		if p.Resize(-1) == nil || p.Resize(1<<20) == nil {
			t.Error("a size was accepted that cannot be")
		}
	}},
	{"what is shrunk away ends when it is idle", 2, func(t *testing.T, _ string, p managed) {
		a, b := begin(t, p, job(t, "deaf 600")), begin(t, p, job(t, "deaf 600"))
		if err := p.Resize(0); err != nil {
			t.Fatal(err)
		}
		third := make(chan Result, 1)
		go func() { third <- p.Run(context.Background(), job(t, "noop")) }()
		for _, ended := range []<-chan Result{a, b} {
			if r := within(t, time.Minute, ended); r.Status != OK {
				t.Errorf("%+v, want it left to end", r)
			}
		}
		select {
		case r := <-third:
			t.Errorf("%+v was started in a pool of 0", r)
		case <-time.After(100 * time.Millisecond):
		}
		if err := p.Resize(1); err != nil {
			t.Fatal(err)
		}
		if r := within(t, time.Minute, third); r.Status != OK {
			t.Errorf("%+v", r)
		}
	}},
	{"restarting loses nothing", 2, func(t *testing.T, _ string, p managed) {
		before := p.PIDs()
		busy := begin(t, p, job(t, "deaf 500"))
		p.Restart()
		for range 50 {
			if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
				t.Errorf("%+v", r)
			}
		}
		if r := within(t, time.Minute, busy); r.Status != OK {
			t.Errorf("%+v, want it left to end", r)
		}
		until(t, "no child is an old one", func() bool {
			for _, pid := range before {
				if running(pid) {
					return false
				}
			}
			return true
		})
	}},
	{"closed, it runs nothing any more", 2, func(t *testing.T, kind string, p managed) {
		pids := p.PIDs()
		p.Pool.Close()
		p.Pool.Close()
		for _, pid := range pids {
			if running(pid) {
				t.Errorf("child %d is still there", pid)
			}
		}
		if kind != "prefork" && kind != "green" {
			return // they hold nothing that could be gone
		}
		if r := p.Run(t.Context(), job(t, "pid")); r.Status != Unstarted {
			t.Errorf("run in a closed pool: %+v", r)
		}
	}},
}

func TestEveryPool(t *testing.T) {
	for _, kind := range []string{"solo", "goroutine", "threads", "green", "prefork"} {
		t.Run(kind, func(t *testing.T) {
			for _, b := range behaviours {
				if kind == "solo" && b.size > 1 {
					continue // one place is all it has; TestSolo
				}
				t.Run(b.name, func(t *testing.T) {
					p := open(t, kind, Settings{Size: b.size})
					if kind == "prefork" {
						until(t, "all children are there", func() bool { return len(p.PIDs()) == b.size })
					}
					b.hold(t, kind, p)
				})
			}
		})
	}
}

func TestSolo(t *testing.T) {
	p := open(t, "solo", Settings{Size: 5})
	if p.Size() != 1 || p.Resize(2) == nil {
		t.Errorf("%d places, and more to be had", p.Size())
	}
}

func TestUnknownPool(t *testing.T) {
	if _, err := New(t.Context(), "gevent", Settings{Size: 1}, perform); err == nil || !strings.Contains(err.Error(), "green") {
		t.Errorf("%v, want an error that names the pools", err)
	}
}

// A silent context ends once it is waited for, and wakes nobody.
type silent struct {
	context.Context
	waited atomic.Bool
}

func (s *silent) Done() <-chan struct{} {
	s.waited.Store(true)
	return nil
}

func (s *silent) Err() error {
	if s.waited.Load() {
		return context.Canceled
	}
	return nil
}
