package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/harness"
)

// A process is the command at work, as a user would start it.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer

	mu     sync.Mutex
	stderr strings.Builder
	said   chan struct{} // gets a value when stderr has grown
	read   chan struct{} // closed when stderr has ended
}

// start runs the command with a state directory of its own.
func start(t *testing.T, state string, args ...string) *process {
	t.Helper()
	return startWith(t, []string{"TASKBENCH_STATE=" + state}, args...)
}

// startWith runs the command with more in its environment.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), said: make(chan struct{}, 1), read: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
	p.cmd.Stdout = &p.stdout
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.read)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			p.mu.Lock()
			p.stderr.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.said <- struct{}{}:
			default:
			}
		}
	}()
	return p
}

func (p *process) talk() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// says waits until stderr holds the text, and returns when that was.
func (p *process) says(t *testing.T, text string, patience time.Duration) {
	t.Helper()
	limit := time.After(patience)
	for !strings.Contains(p.talk(), text) {
		select {
		case <-p.said:
		case <-p.read:
			if !strings.Contains(p.talk(), text) {
				t.Fatalf("ended without saying %q:\n%s", text, p.talk())
			}
		case <-limit:
			t.Fatalf("did not say %q within %v:\n%s", text, patience, p.talk())
		}
	}
}

// code waits for the end and returns the exit code, -1 for a death by signal.
func (p *process) code(t *testing.T, patience time.Duration) int {
	t.Helper()
	select {
	case <-p.read:
	case <-time.After(patience):
		t.Fatalf("did not end within %v:\n%s", patience, p.talk())
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func resultIn(t *testing.T, dir string) harness.Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r harness.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// small is a comparison that a busy machine can carry.
func small(dir, duration string) []string {
	return []string{"compare", "--lab", "embedded", "--brokers", "memory", "--pools", "prefork", "--workload", "noop", "--workers", "1",
		"--rate", "40/s", "--warmup", "500ms", "--duration", duration, "--seed", "7", "--out", dir}
}

func TestCompareForReal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	p := start(t, t.TempDir(), small(dir, "2s")...)
	p.says(t, "embedded", 10*time.Second)
	code := p.code(t, time.Minute)
	r := resultIn(t, dir)
	// A machine that is too busy to offer the load makes the run void: that is an answer, too.
	if code != outcomeCode(r.Outcome) || r.Outcome != harness.Pass && r.Outcome != harness.Void {
		t.Errorf("exit code %d for outcome %s\n%s%s", code, r.Outcome, p.stdout.String(), p.talk())
	}
	n := r.Cells[0].Counts
	if n.Attempted < 80 || n.Executed != n.Attempted || n.Lost != 0 || n.Unexpected != 0 {
		t.Errorf("counts %+v", n)
	}
	if !strings.Contains(p.stdout.String(), "memory:default") || !strings.Contains(p.stdout.String(), "report.html") {
		t.Errorf("stdout:\n%s", p.stdout.String())
	}

	t.Run("check", func(t *testing.T) {
		code, stdout, stderr := command(t, nil, "check", dir)
		if code != exitOK || !strings.Contains(stdout, "as it was judged") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
		forge(t, dir, func(r *harness.Result) { r.Cells[0].Counts.Duplicated += 3 })
		code, stdout, _ = command(t, nil, "check", dir)
		if code != exitFailed || !strings.Contains(stdout, "duplicated: 0, and was 3") {
			t.Errorf("of a forged count: exit code %d\n%s", code, stdout)
		}
		forge(t, dir, func(r *harness.Result) { r.Cells[0].History = "gone.tbz" })
		if code, stdout, _ = command(t, nil, "check", dir); code != exitUndecided {
			t.Errorf("without a history: exit code %d\n%s", code, stdout)
		}
	})
	t.Run("report", func(t *testing.T) {
		if err := os.Remove(filepath.Join(dir, "report.html")); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := command(t, nil, "report", dir)
		if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil || code != exitOK {
			t.Errorf("exit code %d, %v\n%s", code, err, stderr)
		}
	})
	t.Run("diff", func(t *testing.T) {
		code, stdout, stderr := command(t, nil, "diff", dir, dir)
		if code != exitOK || !strings.Contains(stdout, "p99") && r.Outcome == harness.Pass {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("again", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "again")
		p := start(t, t.TempDir(), "run", filepath.Join(dir, "scenario.yaml"), "--out", again)
		p.code(t, time.Minute)
		if now := resultIn(t, again); now.Seed != 7 || len(now.Cells) != 1 || now.Cells[0].Pool != "prefork" || now.Cells[0].Counts.Attempted != n.Attempted {
			t.Errorf("replayed as seed %d, %d cells\n%s", now.Seed, len(now.Cells), p.talk())
		}
	})
}

// A run of random faults, and the same again from what it wrote: the same faults hit the same nodes at the same moments of
// the plan.
func TestChaosAgain(t *testing.T) {
	t.Parallel()
	first, again := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "again")
	for _, run := range [][]string{
		{"run", "chaos", "--short", "--lab", "embedded", "--brokers", "memory", "--seed", "7", "--out", first},
		{"run", filepath.Join(first, "scenario.yaml"), "--out", again},
	} {
		p := start(t, t.TempDir(), run...)
		if code := p.code(t, 2*time.Minute); code != exitOK && code != outcomeCode(harness.Void) {
			t.Fatalf("exit code %d\n%s%s", code, p.stdout.String(), p.talk())
		}
	}
	was, is := realised(t, first), realised(t, again)
	if len(was) < 4 || !slices.Equal(was, is) {
		t.Errorf("at first:\n%s\nagain:\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
	}
}

// realised is the faults of a result's only cell, without what differs from run to run.
func realised(t *testing.T, dir string) (lines []string) {
	t.Helper()
	for _, f := range resultIn(t, dir).Cells[0].Faults {
		lines = append(lines, fmt.Sprintf("%d: %s on %s at %.3f s for %.3f s, in effect %v", f.Number, f.Fault, f.Node, f.PlannedAt, f.PlannedFor, f.InEffect > 0))
	}
	slices.Sort(lines)
	return lines
}

// forge changes a stored result.
func forge(t *testing.T, dir string, change func(*harness.Result)) {
	t.Helper()
	r := resultIn(t, dir)
	change(&r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "result.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The doctor finds nothing wrong with a broker that keeps its contract, and says which clauses it applied.
func TestDoctor(t *testing.T) {
	t.Parallel() // it mostly waits
	p := start(t, t.TempDir(), "doctor", "sqlite", "--lab", "embedded")
	if code := p.code(t, 3*time.Minute); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, p.stdout.String(), p.talk())
	}
	for _, say := range []string{"  ok    delivers-once", "  ok    unacked-returns-on-death", "  ok    lease-ends-not-early", "do not apply"} {
		if !strings.Contains(p.stdout.String(), say) {
			t.Errorf("does not say %q:\n%s", say, p.stdout.String())
		}
	}
}
