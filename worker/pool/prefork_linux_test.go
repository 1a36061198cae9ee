package pool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKilledChild(t *testing.T) {
	for _, kind := range []string{"prefork", "green"} {
		p := open(t, kind, Settings{Size: 1})
		pid := p.PIDs()[0]
		r := p.Run(t.Context(), job(t, "crash"))
		if r.Status != Killed || r.PID != pid || r.Terminated {
			t.Errorf("%s: %+v, want killed in %d", kind, r, pid)
		}
		if want := "billiard.exceptions.WorkerLostError: Worker exited prematurely: signal: killed"; r.Exception == nil || r.Exception.Error() != want {
			t.Errorf("%s: exception %v, want %s", kind, r.Exception, want)
		}
		if r := p.Run(t.Context(), job(t, "pid")); r.Status != Failed || r.Err.Error() == fmt.Sprint(pid) {
			t.Errorf("%s: %+v, want another child's pid", kind, r)
		}
	}
}

// A job that is given to a child which is dead already has not started, and goes to the next child.
func TestIdleChildKilled(t *testing.T) {
	for _, kind := range []string{"prefork", "green"} {
		p := open(t, kind, Settings{Size: 1})
		for range 20 {
			until(t, "there is a child", func() bool { return len(p.PIDs()) == 1 })
			syscall.Kill(p.PIDs()[0], syscall.SIGKILL)
			if r := p.Run(t.Context(), job(t, "pid")); r.Status != Failed {
				t.Fatalf("%s: %+v, want it run by the next child", kind, r)
			}
		}
	}
}

// All that run in a green child are lost with it.
func TestGreenChildTakesItsJobsAlong(t *testing.T) {
	p := open(t, "green", Settings{Size: 3})
	a, b := begin(t, p, job(t, "wait")), begin(t, p, job(t, "wait"))
	if pids := p.PIDs(); len(pids) != 1 {
		t.Fatalf("children %v, want one for all", pids)
	}
	if r := p.Run(t.Context(), job(t, "crash")); r.Status != Killed {
		t.Errorf("%+v", r)
	}
	for _, ended := range []<-chan Result{a, b} {
		if r := within(t, time.Minute, ended); r.Status != Killed || r.PID == 0 {
			t.Errorf("%+v, want killed", r)
		}
	}
	if r := p.Run(t.Context(), job(t, "threads")); r.Status != Failed || !strings.HasSuffix(r.Err.Error(), " 1") {
		t.Errorf("%+v, want it run with GOMAXPROCS=1", r)
	}
}

// What a child noted down before its death counts, though it could not say it.
func TestLastWordOfADeadChild(t *testing.T) {
	for _, c := range []struct {
		number, state, ended uint64
		want                 Status
		lost                 bool // what it ended with
	}{
		{5, offered, 3<<8 | uint64(OK), Unstarted, false},
		{5, recalled, 3<<8 | uint64(OK), Unstarted, false},
		{3, over, 3<<8 | uint64(OK), Unstarted, false},
		{5, taken, 3<<8 | uint64(OK), Killed, true},
		{5, over, 5<<8 | uint64(OK), OK, false},
		{5, over, 5<<8 | uint64(OK) | withValue, OK, true},
		{5, over, 5<<8 | uint64(Retry), Retry, true},
	} {
		p := &process{cmd: exited(t)}
		n := &note{}
		n.turn(5).state.Store(at(c.number, c.state))
		n.turn(5).ended.Store(c.ended)
		n.turn(5).after.Store(int64(time.Second))
		if r := p.lost(n, 5); r.Status != c.want || (r.Exception != nil) != c.lost || r.Status == Retry && r.After != time.Second {
			t.Errorf("job %d at stage %d, ended %d: %+v, want status %d", c.number, c.state, c.ended>>8, r, c.want)
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

// A child watches its leash while its task burns CPU, so that it need not be killed.
func TestBusyChildLeavesByItself(t *testing.T) {
	p := open(t, "prefork", Settings{Size: 1})
	ended := begin(t, p, job(t, "burn"))
	c := p.Pool.(*prefork).places[0].child
	p.Close()
	if !c.cmd.ProcessState.Exited() {
		t.Errorf("the child went by %v: it had to be killed", c.cmd.ProcessState)
	}
	if r := within(t, time.Minute, ended); r.Status != Killed {
		t.Errorf("%+v, want killed", r)
	}
}

func TestCancelKillsWhoDoesNotHeed(t *testing.T) {
	for _, kind := range []string{"prefork", "green"} {
		p := open(t, kind, Settings{Size: 1})
		ended := begin(t, p, job(t, "burn"))
		p.Cancel(errors.New("enough"))
		if r := within(t, 10*heed, ended); r.Status != Killed || r.Terminated {
			t.Errorf("%s: %+v, want killed", kind, r)
		}
	}
}

func TestChildrenAreReplacedAtTheirBounds(t *testing.T) {
	for _, kind := range []string{"prefork", "green"} {
		for what, s := range map[string]Settings{"noop": {MaxTasks: 5}, "hoard": {MaxMemory: 70 << 20}} {
			s.Size = 1
			p := open(t, kind, s)
			seen := map[int]bool{}
			for range 26 {
				for _, pid := range p.PIDs() {
					seen[pid] = true
				}
				if r := p.Run(t.Context(), job(t, what)); r.Status != OK {
					t.Fatalf("%s: %+v", kind, r)
				}
			}
			if len(seen) < 3 {
				t.Errorf("%s: %d children did 26 jobs of %s", kind, len(seen), what)
			}
		}
	}
}

// A green child that has reached its bound ends when its jobs have.
func TestGreenChildDrains(t *testing.T) {
	p := open(t, "green", Settings{Size: 2, MaxTasks: 1})
	old := p.PIDs()[0]
	slow := begin(t, p, job(t, "deaf 700"))
	p.Run(t.Context(), job(t, "noop"))
	if r := p.Run(t.Context(), job(t, "pid")); r.Err.Error() == fmt.Sprint(old) {
		t.Error("the child goes on though its bound is reached")
	}
	if !running(old) {
		t.Error("the child ended before its job had")
	}
	if r := within(t, time.Minute, slow); r.Status != OK {
		t.Errorf("%+v", r)
	}
	until(t, "the old child is gone", func() bool { return !running(old) })
}

func TestChildThatDoesNotComeUp(t *testing.T) {
	t.Setenv(muteEnv, "1")
	for _, kind := range []string{"prefork", "green"} {
		_, err := New(t.Context(), kind, Settings{Size: 2, Log: slog.New(slog.DiscardHandler)}, perform)
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "worker.Main") {
			t.Errorf("%s: %v, want how it ended and what to do", kind, err)
		}
	}
}

// A program that does not call Main would otherwise start children without end.
func TestPoolInAChildIsRefused(t *testing.T) {
	t.Setenv(ChildEnv, "{}")
	for _, kind := range []string{"prefork", "green"} {
		if _, err := New(t.Context(), kind, Settings{Size: 1}, perform); err == nil || !strings.Contains(err.Error(), "worker.Main") {
			t.Errorf("%s: %v, want a refusal that says what to do", kind, err)
		}
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

// Each thread keeps to its place: what a task leaves with it is there for the next, and nobody else.
func TestThreadsKeepTheirThread(t *testing.T) {
	p := open(t, "threads", Settings{Size: 2})
	seen := map[string]int{}
	for range 40 {
		seen[p.Run(t.Context(), job(t, "threads")).Err.Error()]++
	}
	if len(seen) > 2 {
		t.Errorf("40 jobs ran on %d threads, and there are 2: %v", len(seen), seen)
	}
}

func TestRestartGoesOneByOne(t *testing.T) {
	log := &record{}
	p := open(t, "prefork", Settings{Size: 3, Log: log.logger()})
	until(t, "all children are there", func() bool { return len(p.PIDs()) == 3 })
	before := p.PIDs()
	p.Restart()
	until(t, "all are others", func() bool {
		now := p.PIDs()
		if len(now) < 2 {
			t.Fatalf("%d children are left while they are replaced", len(now))
		}
		for _, old := range before {
			for _, pid := range now {
				if pid == old {
					return false
				}
			}
		}
		return len(now) == 3
	})
	if strings.Contains(log.String(), "lost") {
		t.Errorf("what was replaced is said to be lost: %s", log)
	}
}

// A parent whose start is slow to come gets no orphans: closing while children start ends them.
func TestCloseWhileChildrenStart(t *testing.T) {
	for range 5 {
		p, err := New(t.Context(), "prefork", Settings{Size: 8, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, perform)
		if err != nil {
			t.Fatal(err)
		}
		pids := p.PIDs()
		p.Close()
		for _, pid := range append(pids, p.PIDs()...) {
			if running(pid) {
				t.Errorf("child %d is still there", pid)
			}
		}
	}
}

// The start of a prompt job is told in a frame, as its message is acknowledged then; that of any other is noted down.
func TestPromptStart(t *testing.T) {
	for _, prompt := range []bool{true, false} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		c := &child{word: out, notes: make([]note, 1), orders: orders{Seats: 1}, run: perform}
		j := job(t, "noop")
		j.Prompt, j.Started = prompt, func() {}
		if err := j.encode(); err != nil {
			t.Fatal(err)
		}
		c.notes[0].offer(1)
		c.notes[0].take(1)
		_, _, rest, err := about(j.frame[4:])
		if err != nil {
			t.Fatal(err)
		}
		if r := c.job(t.Context(), &c.notes[0], 1, rest, &sender{child: c}); r.Status != OK {
			t.Fatalf("%+v", r)
		}
		out.Close()
		payload, err := readFrame(bufio.NewReader(in))
		if told := err == nil && payload[0] == frameStarted; told != prompt || c.notes[0].turn(1).started.Load() == 0 {
			t.Errorf("prompt %t: told %t (%v), noted down %d", prompt, told, err, c.notes[0].turn(1).started.Load())
		}
	}
}
