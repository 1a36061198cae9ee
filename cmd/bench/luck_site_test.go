package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/proc"
)

// A site is where the command is at work with a state, a temporary and a result directory of its own, so that
// whatever it leaves can be found.
type site struct {
	state, tmp, out string
	env             []string
	benches         []int // pids of the commands that were started here
}

// newSite makes the directories; the result's is left to the command.
func newSite(t *testing.T, env ...string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{state: filepath.Join(dir, "state"), tmp: filepath.Join(dir, "tmp"), out: filepath.Join(dir, "result")}
	for _, d := range []string{s.state, s.tmp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.env = append([]string{"TASKBENCH_STATE=" + s.state, "TMPDIR=" + s.tmp}, env...)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(s.out, "logs", "*"))
			for _, path := range logs {
				text, _ := os.ReadFile(path)
				t.Logf("%s:\n%s", filepath.Base(path), text[max(0, len(text)-2000):])
			}
		}
	})
	return s
}

// start runs the command here.
func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := startWith(t, s.env, args...)
	s.benches = append(s.benches, p.cmd.Process.Pid)
	return p
}

// marked are the live processes that come from a command that was started here.
func (s *site) marked(t *testing.T) []int {
	t.Helper()
	all, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range all {
		if state, ok := proc.Environ(p.PID, "TASKBENCH_STATE"); ok && state == s.state && !p.Gone() {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// workers are the marked processes that carry the owner's mark: all but the command itself.
func (s *site) workers(t *testing.T) []int {
	t.Helper()
	var pids []int
	for _, pid := range s.marked(t) {
		if _, ok := proc.Environ(pid, "TASKBENCH_OWNER"); ok {
			pids = append(pids, pid)
		}
	}
	return pids
}

// containers are the names of those that a command that was started here made and that are still there.
func (s *site) containers(t *testing.T) []string {
	t.Helper()
	c, err := engine.Connect(t.Context())
	if err != nil {
		return nil // what cannot be asked has made no containers for us
	}
	defer func() { _ = c.Close() }()
	var names []string
	for _, pid := range s.benches {
		list, err := c.ContainerList(t.Context(), client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", "taskbench.owner.pid="+strconv.Itoa(pid)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			names = append(names, fmt.Sprint(item.Names))
		}
	}
	return names
}

// tidy fails unless nothing at all is left but the result.
func (s *site) tidy(t *testing.T) {
	t.Helper()
	if pids := s.marked(t); len(pids) > 0 {
		t.Errorf("processes are left: %v", pids)
	}
	if names := s.containers(t); len(names) > 0 {
		t.Errorf("containers are left: %v", names)
	}
	for dir, spare := range map[string]string{s.state: "lock", s.tmp: ""} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			if e.Name() != spare {
				t.Errorf("%s is left in %s", e.Name(), dir)
			}
		}
	}
	if hidden, _ := filepath.Glob(filepath.Join(s.out, ".*")); len(hidden) > 0 {
		t.Errorf("evidence or half-written files are left: %q", hidden)
	}
}

// nothingMade fails if the command made a result directory.
func (s *site) nothingMade(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(s.out); !os.IsNotExist(err) {
		t.Errorf("the result directory was made (%v)", err)
	}
	s.tidy(t)
}

// scene is a scenario file with tasks of the given duration, due at the given rate for the given time.
func scene(t *testing.T, rate, span, task, faults string) string {
	t.Helper()
	if faults == "" {
		faults = "[]"
	}
	text := fmt.Sprintf(`name: luck
asks: What is left behind?
workload: {tasks: [{task: io, duration: %s}]}
load: {shape: constant, rate: %s, for: %s, warmup: 500ms}
system: {workers: 2, pool: prefork, concurrency: 2, prefetch: 2, grace: 20s}
faults: %s
expect: [lost == 0, unexpected == 0]
`, task, rate, span, faults)
	path := filepath.Join(t.TempDir(), "luck.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// patience is how long a busy machine may take for anything here.
const patience = time.Minute

// until waits for a condition.
func until(t *testing.T, what string, limit time.Duration, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !cond() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited %v in vain until %s", limit, what)
		}
	}
}

// wants fails unless the text holds each of the parts.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("does not say %q:\n%s", part, text)
		}
	}
}
