package pool

import (
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A child that nothing in it can interrupt, and that ignores all signals that can be ignored.
func TestHardLimitOfAStone(t *testing.T) {
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	log := &record{}
	p := open(t, "prefork", Settings{Size: 1, Log: log.logger()})
	pid := p.PIDs()[0]
	j := job(t, "stone")
	j.Hard = 300 * time.Millisecond
	r := within(t, 5*time.Second, begin(t, p, j))
	if r.Status != TimedOut || r.PID != pid {
		t.Errorf("%+v, want the hard limit, in %d", r, pid)
	}
	until(t, "the child is gone", func() bool { return !running(pid) })
	if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
		t.Errorf("the next: %+v", r)
	}
	if text := log.String(); strings.Count(text, "hard time limit") != 1 || !strings.Contains(text, "task=stone") || strings.Contains(text, "lost") {
		t.Errorf("the log says %s", text)
	}
}

// What a task has started goes with it, whoever ends the task.
func TestTheEndReachesTheGroup(t *testing.T) {
	for name, c := range map[string]struct {
		hard time.Duration
		want Status
	}{"hard limit": {2 * time.Second, TimedOut}, "close": {0, Killed}} {
		t.Run(name, func(t *testing.T) {
			log := &record{}
			p := open(t, "prefork", Settings{Size: 1, Log: log.logger(), Capture: true})
			j := job(t, "spawn")
			j.Hard = c.hard
			ended := begin(t, p, j)
			var found []string
			until(t, "the task said what it started", func() bool {
				found = regexp.MustCompile(`sleeper (\d+)`).FindStringSubmatch(log.String())
				return found != nil
			})
			if c.hard == 0 {
				p.Close()
			}
			if r := within(t, time.Minute, ended); r.Status != c.want {
				t.Errorf("%+v, want status %d", r, c.want)
			}
			sleeper, _ := strconv.Atoi(found[1])
			until(t, "what the task started is gone", func() bool { return !running(sleeper) })
		})
	}
}

// Where a limit meets the end of a job, one of both has its way: the place is free once, and the next job unharmed.
func TestHardLimitRacesWithTheEnd(t *testing.T) {
	for _, kind := range []string{"goroutine", "threads", "green", "prefork"} {
		t.Run(kind, func(t *testing.T) {
			p := open(t, kind, Settings{Size: 2})
			outcomes := map[Status]int{}
			for i := range 40 {
				j := job(t, "deaf 10")
				j.Hard = 10*time.Millisecond + time.Duration(i%8)*100*time.Microsecond
				var told atomic.Int32
				j.Ended = func(Result) bool { told.Add(1); return true } // in this process only
				r := within(t, 20*time.Second, begin(t, p, j))
				outcomes[r.Status]++
				switch {
				case r.Status != OK && r.Status != TimedOut:
					t.Fatalf("%+v, want it done or timed out", r)
				case (kind == "goroutine" || kind == "threads") && (r.Status == OK) != (told.Load() == 1):
					t.Fatalf("%+v, and its end was told %d times", r, told.Load())
				}
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() {
						if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
							t.Errorf("the next: %+v", r)
						}
					})
				}
				both.Wait()
			}
			t.Logf("%d done, %d timed out", outcomes[OK], outcomes[TimedOut])
			until(t, "no attempt is left", func() bool { return p.Abandoned() == 0 })
		})
	}
}

// One decides for both: whoever comes second is told so.
func TestNoteIsDecidedOnce(t *testing.T) {
	for number := uint64(1); number < 2000; number++ {
		n := &note{}
		n.offer(number)
		n.take(number)
		var won atomic.Int32
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if n.decide(number) {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("job %d was decided %d times", number, won.Load())
		}
	}
}

// An abandoned attempt is said to be one, once, and its thread or goroutine does not stay for good.
func TestAbandonedAttempts(t *testing.T) {
	for _, kind := range []string{"solo", "goroutine", "threads", "green"} {
		t.Run(kind, func(t *testing.T) {
			log := &record{}
			p := open(t, kind, Settings{Size: 1, Log: log.logger()})
			p.Run(t.Context(), job(t, "noop"))
			goroutines := runtime.NumGoroutine()
			for range 3 {
				j := job(t, map[bool]string{false: "deaf 2000", true: "deaf 60000"}[kind == "green"]) // there, its child goes
				j.Hard = 20 * time.Millisecond
				if r := within(t, time.Second, begin(t, p, j)); r.Status != TimedOut {
					t.Errorf("%+v", r)
				}
				if p.Kill(j.Attempt, syscall.SIGTERM) {
					t.Error("what was abandoned can be killed")
				}
			}
			if n := p.Abandoned(); kind != "green" && n != 3 {
				t.Errorf("%d are abandoned, want 3", n)
			}
			if n := strings.Count(log.String(), "task abandoned at its hard time limit"); n != 3 {
				t.Errorf("it was said %d times: %s", n, log)
			}
			until(t, "none is left", func() bool { return p.Abandoned() == 0 })
			until(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= goroutines+1 })
		})
	}
}

// A task that publishes when its limit is reached gets an answer, and the pool goes on.
func TestHardLimitWhilePublishing(t *testing.T) {
	for _, kind := range []string{"goroutine", "green", "prefork"} {
		t.Run(kind, func(t *testing.T) {
			p := open(t, kind, Settings{Size: 1})
			j := job(t, "send 3")
			j.Hard = 50 * time.Millisecond
			let := make(chan bool)
			j.Send = sendAfter(let)
			ended := begin(t, p, j)
			time.AfterFunc(200*time.Millisecond, func() { close(let) })
			if r := within(t, 10*time.Second, ended); r.Status != TimedOut {
				t.Errorf("%+v, want the hard limit", r)
			}
			if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
				t.Errorf("the next: %+v", r)
			}
		})
	}
}
