package main

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/lab/engine/enginetest"
)

// Ctrl-C before anything was started: the command leaves, and has made nothing.
func TestCtrlCWhilePlanning(t *testing.T) {
	t.Run("an engine that does not answer", func(t *testing.T) {
		t.Parallel()
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = silent.Close() }()
		s := newSite(t, "DOCKER_HOST=tcp://"+silent.Addr().String())
		p := s.start(t, "compare", "--lab", "docker", "--brokers", "redis", "--out", s.out)
		c, err := silent.Accept() // it is being asked
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		hit(t, p, os.Interrupt)
		if code := p.code(t, patience); code != exitInterrupted {
			t.Errorf("exit code %d\n%s", code, p.talk())
		}
		s.nothingMade(t)
	})
	t.Run("another sweep", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		path := filepath.Join(s.state, "lock")
		lock, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lock.Close() }()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		p := s.start(t, small(s.out, "1m")...)
		until(t, "it waits for the lock", patience, func() bool { return opened(p, path) })
		hit(t, p, os.Interrupt)
		if code := p.code(t, patience); code != exitInterrupted {
			t.Errorf("exit code %d\n%s", code, p.talk())
		}
		s.nothingMade(t)
	})
}

// opened tells whether the process has the file open.
func opened(p *process, path string) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == path {
			return true
		}
	}
	return false
}

// Ctrl-C at any moment of a run: everything is gone, and what was found so far is written and marked.
func TestCtrlC(t *testing.T) {
	const killWorker, killBroker = "[{at: 300ms, fault: kill, node: worker, for: 30s}]", "[{at: 300ms, fault: kill, node: broker, for: 30s}]"
	moments := map[string]struct {
		says string // on stderr when the moment has come
		args func(t *testing.T) []string
		env  func(t *testing.T) string
		sig  syscall.Signal // SIGINT unless it is another
	}{
		"server starting":  {says: ": provision", args: redisProcess, env: muteRedis},
		"workers starting": {says: ": provision", args: inScene("40/s", "1m", "10ms", "")},
		"warm-up":          {says: ": warmup", args: inScene("40/s", "1m", "10ms", "")},
		"steady":           {says: ": steady", args: inScene("40/s", "1m", "10ms", "")},
		"terminal closes":  {says: ": steady", args: inScene("40/s", "1m", "10ms", ""), sig: syscall.SIGHUP},
		"asked to end":     {says: ": steady", args: inScene("40/s", "1m", "10ms", ""), sig: syscall.SIGTERM},
		"backlog":          {says: ": steady", args: inScene("200/s", "1m", "100ms", "")},
		"worker is down":   {says: "in force: kill", args: inScene("40/s", "1m", "10ms", killWorker)},
		"broker is down":   {says: "in force: kill", args: inScene("40/s", "1m", "10ms", killBroker)},
		"drain":            {says: ": drain", args: inScene("100/s", "1s", "200ms", "")},
	}
	for name, m := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if m.env != nil {
				s.env = append(s.env, m.env(t))
			}
			p := s.start(t, append(m.args(t), "--seed", "3", "--out", s.out)...)
			p.says(t, m.says, patience)
			hit(t, p, cmp.Or(m.sig, syscall.SIGINT))
			if code := p.code(t, patience); code != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, p.talk())
			}
			r := marked(t, s.out)
			if r.Outcome != harness.Undecided || len(r.Cells) != 1 || r.Cells[0].Outcome != harness.Undecided {
				t.Errorf("a run that was cut short is %s\n%s", r.Outcome, p.talk())
			}
			if n := r.Cells[0].Counts; n.Lost != 0 {
				t.Errorf("%d tasks are said to be lost that nobody waited for", n.Lost)
			}
			s.tidy(t)
		})
	}
	t.Run("container", func(t *testing.T) {
		enginetest.Needed(t)
		t.Parallel()
		s := newSite(t)
		p := s.start(t, inDocker(s.out)...)
		p.says(t, ": steady", patience)
		if len(s.containers(t)) != 1 {
			t.Fatalf("the run has the containers %v", s.containers(t))
		}
		hit(t, p, os.Interrupt)
		if code := p.code(t, patience); code != exitInterrupted {
			t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, p.talk())
		}
		marked(t, s.out)
		s.tidy(t)
	})
}

// At the very end nothing is left to be cut short: the result is whole, and the exit code still tells.
func TestCtrlCWhileJudging(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := newSite(t)
		p := s.start(t, small(s.out, "300ms")...)
		p.says(t, ": judge", patience)
		_ = p.cmd.Process.Signal(os.Interrupt)
		code := p.code(t, patience)
		s.tidy(t)
		if !strings.Contains(p.talk(), "interrupted") {
			continue // it was done before the signal came
		}
		if code != exitInterrupted {
			t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, p.talk())
		}
		if n := resultIn(t, s.out).Cells[0].Counts; n.Attempted == 0 || n.Lost != 0 || n.Executed < n.Attempted {
			t.Errorf("counts %+v", n)
		}
		return
	}
	t.Error("five runs were all done before they could be interrupted")
}

// A second Ctrl-C does not wait for anybody; the next run clears away what stayed.
func TestSecondCtrlC(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	// Tasks that outlast every patience keep the workers from leaving warmly.
	p := s.start(t, append(inScene("40/s", "1m", "2m", "")(t), "--out", s.out)...)
	p.says(t, ": steady", patience)
	hit(t, p, os.Interrupt)
	p.says(t, "interrupted", patience)
	began := time.Now()
	hit(t, p, os.Interrupt)
	if code := p.code(t, patience); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("left after %v", took)
	}
	wants(t, p.talk(), "leaving at once")
	until(t, "the workers are gone", soonGone, func() bool { return len(s.workers(t)) == 0 })

	next := filepath.Join(filepath.Dir(s.out), "next")
	if code := s.start(t, small(next, "300ms")...).code(t, patience); code != exitOK && code != exitUndecided {
		t.Errorf("the next run: exit code %d", code)
	}
	resultIn(t, next)
	s.tidy(t)
}

// Whoever read what is said has left: the run goes on to its end, and cleans up.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append(inScene("40/s", "1s", "5ms", "")(t), "--out", s.out)...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), s.env...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan() && !strings.Contains(lines.Text(), ": provision"); {
	}
	_ = said.Close()
	err = cmd.Wait() // the pipe is closed: nothing is left to be read
	if r := resultIn(t, s.out); r.Outcome != harness.Pass && r.Outcome != harness.Void || cmd.ProcessState.ExitCode() != outcomeCode(r.Outcome) {
		t.Errorf("%v; the outcome is %s", err, r.Outcome)
	}
	s.tidy(t)
}

func hit(t *testing.T, p *process, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v\n%s", err, p.talk())
	}
}

// marked reads a result and its report, which must both say that the run was interrupted.
func marked(t *testing.T, dir string) harness.Result {
	t.Helper()
	r := resultIn(t, dir)
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "interrupted") {
		t.Errorf("the result is not marked: %q", r.Warnings)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(page), "interrupted") {
		t.Errorf("the report is not marked: %v", err)
	}
	return r
}

// inScene is a run of the scene on the memory broker.
func inScene(rate, span, task, faults string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		return []string{"run", scene(t, rate, span, task, faults), "--lab", "embedded", "--brokers", "memory"}
	}
}

// inDocker is a long run with its broker in a container.
func inDocker(out string) []string {
	return []string{"compare", "--lab", "docker", "--brokers", "redis:memory", "--pools", "prefork", "--workload", "noop", "--workers", "1",
		"--rate", "40/s", "--warmup", "500ms", "--duration", "1m", "--out", out}
}
