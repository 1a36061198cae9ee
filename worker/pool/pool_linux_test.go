package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// muteEnv makes a pool child end before it has said hello.
const muteEnv = "TASKBENCH_TEST_MUTE"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children under the race detector would take a second to leave
	if IsChild() && os.Getenv(muteEnv) != "" {
		os.Exit(3)
	}
	if IsChild() {
		Serve(perform)
	}
	os.Exit(m.Run())
}

// perform does what the task's name says.
func perform(ctx context.Context, j *Job) Result {
	if j.Started != nil {
		j.Started()
	}
	switch j.Task.Name {
	case "pid":
		return Result{Status: Failed, Err: fmt.Errorf("%d", os.Getpid())}
	case "echo":
		m := j.Task.Message
		return Result{Status: Failed, Err: fmt.Errorf("%s %s %v %s %d %v", m.Queue, m.Body, m.Headers["list"], m.ReplyTo, j.Attempt, j.Redelivered)}
	case "retry":
		return Result{Status: Retry, Err: errors.New("again"), After: time.Minute}
	case "wait":
		<-ctx.Done()
		return Result{Status: Failed, Err: context.Cause(ctx)}
	case "burn":
		for {
			burnt++
		}
	case "crash":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return Result{Status: OK}
}

var burnt int

func job(t testing.TB, name string) *Job {
	t.Helper()
	m, err := message.New(name, "id", nil, nil, message.Options{ReplyTo: "r", Headers: map[string]any{"list": []any{int64(1), "x", nil}}})
	if err != nil {
		t.Fatal(err)
	}
	m.Queue = "q"
	task, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Task: task, Attempt: 1<<40 + 7, Redelivered: true}
}

func open(t testing.TB, name string, s Settings) Pool {
	t.Helper()
	s.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	p, err := New(t.Context(), name, s, perform)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// until waits for a condition that other processes make true.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not come true in 20 s that %s", what)
		}
	}
}

func TestChildSeesWhatTheParentSent(t *testing.T) {
	for _, name := range []string{"solo", "prefork"} {
		p := open(t, name, Settings{Size: 1})
		want := `q [[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}] [1 x <nil>] r 1099511627783 true`
		if r := p.Run(t.Context(), job(t, "echo")); r.Status != Failed || r.Err.Error() != want {
			t.Errorf("%s: %+v, want %s", name, r, want)
		}
		if r := p.Run(t.Context(), job(t, "retry")); r.Status != Retry || r.After != time.Minute || r.Err.Error() != "again" {
			t.Errorf("%s: %+v, want a retry after a minute", name, r)
		}
	}
}

func TestSizeIsTheMostAtATime(t *testing.T) {
	for name, size := range map[string]int{"solo": 1, "goroutine": 3} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int32
			p, err := New(t.Context(), name, Settings{Size: size}, func(ctx context.Context, j *Job) Result {
				for n := now.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				time.Sleep(time.Second) // of the bubble
				now.Add(-1)
				return Result{Status: OK}
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var all sync.WaitGroup
			for range 2 * size {
				all.Go(func() { p.Run(t.Context(), &Job{}) })
			}
			all.Wait()
			if p.Size() != size || int(most.Load()) != size || time.Since(began) != 2*time.Second {
				t.Errorf("%s of size %d ran %d at a time, in %v", name, p.Size(), most.Load(), time.Since(began))
			}
			p.Close()
		})
	}
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	for _, name := range []string{"goroutine", "prefork"} {
		p := open(t, name, Settings{Size: 1})
		running, started := make(chan Result), make(chan bool)
		j := job(t, "wait")
		j.Started = func() { close(started) }
		go func() { running <- p.Run(t.Context(), j) }()
		<-started
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan Result)
		go func() { waiting <- p.Run(ctx, job(t, "pid")) }()
		cancel()
		if r := <-waiting; r.Status != Unstarted {
			t.Errorf("%s: %+v, want unstarted", name, r)
		}
		if r := p.Run(ctx, job(t, "pid")); r.Status != Unstarted {
			t.Errorf("%s: run with an ended context: %+v, want unstarted", name, r)
		}
		p.Cancel(errors.New("enough"))
		if r := <-running; r.Status != Failed || r.Err.Error() != "enough" {
			t.Errorf("%s: %+v, want the cause of the cancel", name, r)
		}
	}
}

func TestKilledChild(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 1})
	pid := p.PIDs()[0]
	if r := p.Run(t.Context(), job(t, "crash")); r.Status != Killed || r.PID != pid {
		t.Errorf("%+v, want killed in %d", r, pid)
	}
	if r := p.Run(t.Context(), job(t, "pid")); r.Status != Failed || r.Err.Error() == fmt.Sprint(pid) {
		t.Errorf("%+v, want another child's pid", r)
	}
}

// A job that is given to a child which is dead already has not started, and goes to the next child.
func TestIdleChildKilled(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 1})
	for range 20 {
		until(t, "there is a child", func() bool { return len(p.PIDs()) == 1 })
		syscall.Kill(p.PIDs()[0], syscall.SIGKILL)
		if r := p.Run(t.Context(), job(t, "pid")); r.Status != Failed {
			t.Fatalf("%+v, want it run by the next child", r)
		}
	}
}

// What a child noted down before its death counts, though it could not say it.
func TestLastWordOfADeadChild(t *testing.T) {
	p := &process{notes: &notebook{}, gone: make(chan struct{}), count: 5}
	close(p.gone)
	p.cmd = exited(t)
	for _, c := range []struct {
		taken, ended uint64
		want         Status
	}{
		{4, 4<<8 | uint64(OK), Unstarted},
		{5, 4<<8 | uint64(OK), Killed},
		{5, 5<<8 | uint64(OK), OK},
		{5, 5<<8 | uint64(Retry), Retry},
	} {
		p.notes.taken.Store(c.taken)
		p.notes.ended.Store(c.ended)
		p.notes.after.Store(int64(time.Second))
		if r := p.lost(); r.Status != c.want || r.Status == Retry && r.After != time.Second {
			t.Errorf("taken %d, ended %d: %+v, want status %d", c.taken, c.ended>>8, r, c.want)
		}
	}
}

// exited is a command that has run.
func exited(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestChildrenLeaveWithTheirPool(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 3})
	until(t, "all children are there", func() bool { return len(p.PIDs()) == 3 })
	pids := p.PIDs()
	p.Close()
	p.Close()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("child %d is still there: %v", pid, err)
		}
	}
	if r := p.Run(t.Context(), job(t, "pid")); r.Status != Unstarted {
		t.Errorf("run in a closed pool: %+v", r)
	}
}

// A child watches its leash while its task burns CPU, so that it need not be killed.
func TestBusyChildLeavesByItself(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 1})
	j, started, ended := job(t, "burn"), make(chan bool), make(chan Result)
	j.Started = func() { close(started) }
	go func() { ended <- p.Run(t.Context(), j) }()
	<-started
	c := p.(*prefork).children[0]
	p.Close()
	if !c.cmd.ProcessState.Exited() {
		t.Errorf("the child went by %v: it had to be killed", c.cmd.ProcessState)
	}
	if r := <-ended; r.Status != Killed {
		t.Errorf("%+v, want killed", r)
	}
}

func TestCancelKillsWhoDoesNotHeed(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 1})
	j, ended := job(t, "burn"), make(chan Result)
	j.Started = func() { p.Cancel(errors.New("enough")) }
	go func() { ended <- p.Run(t.Context(), j) }()
	select {
	case r := <-ended:
		if r.Status != Killed {
			t.Errorf("%+v, want killed", r)
		}
	case <-time.After(10 * heed):
		t.Error("the task still runs")
	}
}

func TestChildThatDoesNotComeUp(t *testing.T) {
	t.Setenv(muteEnv, "1")
	_, err := New(t.Context(), "prefork", Settings{Size: 2, Log: slog.New(slog.DiscardHandler)}, perform)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "worker.Main") {
		t.Errorf("%v, want how it ended and what to do", err)
	}
}

// A program that does not call Main would otherwise start children without end.
func TestPoolInAChildIsRefused(t *testing.T) {
	t.Setenv(ChildEnv, "{}")
	if _, err := New(t.Context(), "prefork", Settings{Size: 1}, perform); err == nil || !strings.Contains(err.Error(), "worker.Main") {
		t.Errorf("%v, want a refusal that says what to do", err)
	}
}

func TestYoungDeathsAreMadeGoodMoreSlowly(t *testing.T) {
	want := []time.Duration{0, 0, 50, 100, 200, 400, 800, 1600, 2000, 2000}
	for deaths, ms := range want {
		if got := backoff(deaths); got != ms*time.Millisecond {
			t.Errorf("after %d young deaths it waits %v, want %v", deaths, got, ms*time.Millisecond)
		}
	}
	if got := backoff(1 << 40); got != 2*time.Second {
		t.Errorf("after very many it waits %v", got)
	}
}

func TestUnknownPool(t *testing.T) {
	if _, err := New(t.Context(), "threads", Settings{Size: 1}, perform); err == nil {
		t.Error("no error")
	}
}

func FuzzDecodeJob(f *testing.F) {
	j := Job{Task: message.Task{Message: brokers.Message{Queue: "q", Body: []byte("b"), Headers: map[string]any{"n": 1}}}}
	if err := j.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(j.frame[4:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		if j, _, err := decodeJob(payload); err == nil && len(j.Task.Message.Body) > len(payload) {
			t.Error("a body came out of nothing")
		}
		_, _, _ = decodeDone(payload)
	})
}
