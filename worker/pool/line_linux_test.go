package pool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eager opens a prefork pool in which any job may wait behind any other, for as long as it takes, and tells which
// attempts its children have begun, in their order.
func eager(t testing.TB, s Settings) (p managed, began func() []uint64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(runsEnv, path)
	p = open(t, "prefork", s)
	until(t, "all children are there", func() bool { return len(p.PIDs()) == s.Size })
	change(p, func(l *line) { l.brief, l.patience = time.Hour, time.Hour })
	return p, func() (all []uint64) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Fields(string(text)) {
			n, _ := strconv.ParseUint(line, 10, 64)
			all = append(all, n)
		}
		return all
	}
}

// change does something to a pool's line.
func change(p managed, to func(*line)) {
	l := &p.Pool.(*prefork).line
	l.mu.Lock()
	defer l.mu.Unlock()
	to(l)
}

// waits counts the jobs that wait behind others, and the callers that wait for a place.
func waits(p managed) (behind, waiting int) {
	change(p, func(l *line) {
		for c := l.behind.first; c != nil; c = c.next {
			behind++
		}
		for c := l.waiting.first; c != nil; c = c.next {
			waiting++
		}
	})
	return behind, waiting
}

// gated is a job that runs until it is let go.
func gated(t testing.TB) (j *Job, let func()) {
	path := filepath.Join(t.TempDir(), "gate")
	j = job(t, "gate "+path)
	return j, func() {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// follows runs a job that has to wait behind another.
func follows(t testing.TB, ctx context.Context, p managed, j *Job) <-chan Result {
	t.Helper()
	before, _ := waits(p)
	ended := make(chan Result, 1)
	go func() { ended <- p.Run(ctx, j) }()
	until(t, "the job waits behind another", func() bool {
		now, _ := waits(p)
		return now == before+1
	})
	return ended
}

// The line forgets a child that was replaced, however long its jobs took.
func TestTheLineForgetsReplacedChildren(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1, MaxTasks: 1})
	change(p, func(l *line) { l.brief = 0 })
	for range 10 {
		if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
			t.Fatalf("%+v", r)
		}
	}
	change(p, func(l *line) {
		if most := max(len(l.desks), len(l.idle), len(l.roomy)); most > 3 {
			t.Errorf("after 10 children of one place %d have desks, %d are listed as idle and %d as roomy", len(l.desks), len(l.idle), len(l.roomy))
		}
	})
}

func TestNoJobWaitsBehindWhileAChildIsIdle(t *testing.T) {
	p, _ := eager(t, Settings{Size: 2})
	one, letOne := gated(t)
	two, letTwo := gated(t)
	first, second := begin(t, p, one), begin(t, p, two)
	behind := follows(t, t.Context(), p, job(t, "noop")) // behind one
	letTwo()
	within(t, time.Minute, second)
	if r := within(t, time.Minute, behind); r.Status != OK {
		t.Errorf("%+v, want it run by the child that became idle", r)
	}
	// The first, at which one was recalled, gets no other: they would pile up in its pipe.
	again, letAgain := gated(t)
	third := begin(t, p, again)
	other := follows(t, t.Context(), p, job(t, "pid"))
	change(p, func(l *line) {
		for _, d := range l.desks {
			if d.first().job == one && len(d.jobs) > 1 {
				t.Error("a second job waits behind one from behind which another was recalled")
			}
		}
	})
	letOne()
	letAgain()
	for _, ended := range []<-chan Result{first, third, other} {
		within(t, time.Minute, ended)
	}
}

// A job that has waited long behind another is the first to get a place.
func TestPatienceBehindALongJob(t *testing.T) {
	p, began := eager(t, Settings{Size: 2})
	one, letOne := gated(t)
	two, letTwo := gated(t)
	first, second := begin(t, p, one), begin(t, p, two)
	early, late := job(t, "noop"), job(t, "noop")
	ended := []<-chan Result{follows(t, t.Context(), p, early)} // behind one
	change(p, func(l *line) { l.brief = 0 })
	rest := make(chan Result, 1)
	go func() { rest <- p.Run(t.Context(), late) }()
	until(t, "the late one waits for a place", func() bool { _, w := waits(p); return w == 1 })
	change(p, func(l *line) { l.patience = patiently; l.clock.Reset(0) })
	until(t, "both wait for a place", func() bool { b, w := waits(p); return b == 0 && w == 2 })
	letTwo()
	for _, e := range append(ended, rest, second) {
		if r := within(t, time.Minute, e); r.Status != OK {
			t.Errorf("%+v", r)
		}
	}
	if all := began(); !slices.Equal(all[2:], []uint64{early.Attempt, late.Attempt}) {
		t.Errorf("begun are %v, want %d before %d", all, early.Attempt, late.Attempt)
	}
	letOne()
	within(t, time.Minute, first)
}

// Jobs wait behind others only where these have shown to be brief.
func TestWhereJobsAreLongNoneWaitsBehind(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1})
	change(p, func(l *line) { l.brief = briefly })
	held := func() (ended, next <-chan Result, let func()) {
		first, let := gated(t)
		ended = begin(t, p, first)
		other := make(chan Result, 1)
		go func() { other <- p.Run(t.Context(), job(t, "noop")) }()
		return ended, other, let
	}
	long := func(after string) {
		ended, next, let := held()
		until(t, "it waits", func() bool { b, w := waits(p); return b+w == 1 })
		if b, _ := waits(p); b != 0 {
			t.Errorf("%s: a job waits behind another", after)
		}
		let()
		within(t, time.Minute, ended)
		within(t, time.Minute, next)
	}
	long("in a new pool")
	until(t, "jobs are brief", func() bool {
		p.Run(t.Context(), job(t, "noop"))
		var pace time.Duration
		change(p, func(l *line) { pace = l.pace })
		return pace < briefly/2
	})
	ended, next, let := held()
	until(t, "it waits behind", func() bool { b, _ := waits(p); return b == 1 })
	let()
	within(t, time.Minute, ended)
	within(t, time.Minute, next)
	for range 4 {
		p.Run(t.Context(), job(t, "nap 10"))
	}
	long("after long ones")
}

// A child that was sent a job can be killed over it before it has read it.
func TestKillOfAJobThatIsNotRead(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	pid := p.PIDs()[0]
	syscall.Kill(pid, syscall.SIGSTOP)
	until(t, "all threads of the child have stopped", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(path string) bool {
			text, _ := os.ReadFile(path)
			return !strings.Contains(string(text), ") T ")
		})
	})
	first := job(t, "noop")
	ended := make(chan Result, 1)
	go func() { ended <- p.Run(t.Context(), first) }()
	second := make(chan Result, 1)
	until(t, "it is the child's", func() bool { return p.Pool.(Locator).Locate(first.Attempt) == pid })
	go func() { second <- p.Run(t.Context(), job(t, "noop")) }()
	if !p.Kill(first.Attempt, syscall.SIGKILL) {
		t.Error("it was not found")
	}
	if r := within(t, time.Minute, ended); r.Status != Killed || !r.Terminated {
		t.Errorf("%+v, want it terminated", r)
	}
	if r := within(t, time.Minute, second); r.Status != OK || len(began()) != 1 {
		t.Errorf("%+v; begun are %v", r, began())
	}
}
