package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"
)

// kept has a child end a brief job, whose result it keeps to say with that of the next, and begin the next, which runs
// until it is let go.
func kept(t *testing.T, p managed) (brief, long <-chan Result, let func()) {
	t.Helper()
	opener, open := gated(t)
	first := begin(t, p, opener)
	brief = follows(t, t.Context(), p, job(t, "noop"))
	next, let := gated(t)
	long = follows(t, t.Context(), p, next)
	open()
	within(t, time.Minute, first)
	until(t, "the long job has begun", func() bool { return p.Pool.(Locator).Locate(next.Attempt) != 0 })
	return brief, long, let
}

// A result that waits for company does not wait for a long job, nor where that is found to run when a child is idle.
func TestAKeptResultIsAskedFor(t *testing.T) {
	for name, size := range map[string]int{"one child": 1, "and an idle one": 2} {
		t.Run(name, func(t *testing.T) {
			p, _ := eager(t, Settings{Size: 1})
			const tries = 100 // a child that is held up has taken too long for a brief job, and keeps nothing
			for range tries {
				brief, long, let := kept(t, p)
				select {
				case <-brief:
					let()
					within(t, time.Minute, long)
					continue
				default:
				}
				if err := p.Resize(size); err != nil {
					t.Fatal(err)
				}
				until(t, "all children are there", func() bool { return len(p.PIDs()) == size })
				change(p, func(l *line) { l.patience = patiently; l.clock.Reset(0) })
				if r := within(t, time.Minute, brief); r.Status != OK || r.Err != nil {
					t.Errorf("the brief job: %+v", r)
				}
				let()
				if r := within(t, time.Minute, long); r.Status != OK {
					t.Errorf("the long job: %+v", r)
				}
				return
			}
			t.Errorf("nothing was kept in %d tries, so that this test shows nothing", tries)
		})
	}
}

// A result that waits for company is not lost with the child.
func TestAKeptResultOutlivesTheChild(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	brief, long, _ := kept(t, p)
	syscall.Kill(p.PIDs()[0], syscall.SIGKILL)
	if r := within(t, time.Minute, brief); r.Status != OK || r.Exception != nil {
		t.Errorf("the brief job: %+v", r)
	}
	if r := within(t, time.Minute, long); r.Status != Killed {
		t.Errorf("the long job: %+v", r)
	}
	if all := began(); len(all) != 3 {
		t.Errorf("begun are %v, want three jobs, once each", all)
	}
}

// What a note does not hold is told of at once.
func TestResultsThatAreNotKept(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1})
	opener, open := gated(t)
	first := begin(t, p, opener)
	value := follows(t, t.Context(), p, job(t, "value 3"))
	next, let := gated(t)
	long := follows(t, t.Context(), p, next)
	open()
	within(t, time.Minute, first)
	if r := within(t, time.Minute, value); r.Status != OK || len(r.Value) == 0 {
		t.Errorf("%+v, want it with its value, while the next runs", r)
	}
	let()
	within(t, time.Minute, long)
}

// As many jobs are at a child as it has turns, and begin in their order.
func TestAChildHasAllItsTurns(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	opener, open := gated(t)
	ended := []<-chan Result{begin(t, p, opener)}
	want := []uint64{opener.Attempt}
	for range turns - 1 {
		j := job(t, "noop")
		want = append(want, j.Attempt)
		ended = append(ended, follows(t, t.Context(), p, j))
	}
	last := job(t, "noop")
	rest := make(chan Result, 1)
	go func() { rest <- p.Run(t.Context(), last) }()
	until(t, "one more waits for a place", func() bool { b, w := waits(p); return b == turns-1 && w == 1 })
	open()
	for _, e := range append(ended, rest) {
		if r := within(t, time.Minute, e); r.Status != OK {
			t.Errorf("%+v", r)
		}
	}
	all := began()
	want = append(want, last.Attempt)
	if len(all) != len(want) {
		t.Fatalf("begun are %v, want %v", all, want)
	}
	for i, attempt := range want {
		if all[i] != attempt {
			t.Fatalf("begun are %v, want %v", all, want)
		}
	}
}

// Where its pipe holds next to nothing, a child is sent nothing ahead: whoever sends would wait for it.
func TestNoJobWaitsInANarrowPipe(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1})
	change(p, func(l *line) { l.desks[0].child.wide = false })
	opener, open := gated(t)
	first := begin(t, p, opener)
	rest := make(chan Result, 1)
	go func() { rest <- p.Run(t.Context(), job(t, "noop")) }()
	until(t, "it waits", func() bool { b, w := waits(p); return b+w == 1 })
	if b, _ := waits(p); b != 0 {
		t.Error("a job waits behind another")
	}
	open()
	within(t, time.Minute, first)
	if r := within(t, time.Minute, rest); r.Status != OK {
		t.Errorf("%+v", r)
	}
}

// A context may end at the very moment at which its job is sent.
func TestContextsThatEndWhileJobsAreSent(t *testing.T) {
	p, _ := eager(t, Settings{Size: 2})
	change(p, func(l *line) { l.patience = patiently })
	var all sync.WaitGroup
	for caller := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 0))
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(300))*time.Microsecond)
				if r := p.Run(ctx, job(t, "noop")); r.Status != OK && r.Status != Unstarted {
					t.Errorf("%+v", r)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
		t.Errorf("afterwards: %+v", r)
	}
	if b, w := waits(p); b+w != 0 {
		t.Errorf("%d jobs wait behind others, and %d for a place", b, w)
	}
}
