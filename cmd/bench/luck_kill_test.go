package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness/lab/engine/enginetest"
)

// soonGone is how long workers may outlive the command that measures them.
const soonGone = 2 * time.Second

// SIGKILL of the command: workers and their children leave by themselves, and the next command removes the rest.
func TestKilled(t *testing.T) {
	runs := map[string]func(*testing.T, *site) []string{
		"prefork": func(t *testing.T, s *site) []string {
			return append(inScene("100/s", "1m", "50ms", "")(t), "--out", s.out)
		},
		"goroutine": func(t *testing.T, s *site) []string {
			return append(inScene("100/s", "1m", "50ms", "")(t), "--pools", "goroutine", "--out", s.out)
		},
		"container": func(t *testing.T, s *site) []string {
			enginetest.Needed(t)
			return inDocker(s.out)
		},
	}
	for name, args := range runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.start(t, args(t, s)...)
			p.says(t, ": steady", patience)
			if name == "container" && len(s.containers(t)) != 1 {
				t.Fatalf("the run has the containers %v", s.containers(t))
			}
			if workers := s.workers(t); len(workers) == 0 || name == "prefork" && len(workers) < 6 {
				t.Fatalf("the run has the processes %v", workers)
			}
			if left, _ := filepath.Glob(filepath.Join(s.out, ".evidence-*")); len(left) != 1 {
				t.Fatalf("the run has the evidence %q", left)
			}
			hit(t, p, syscall.SIGKILL)
			p.code(t, patience)
			until(t, "workers and children are gone", soonGone, func() bool { return len(s.marked(t)) == 0 })
			s.sweep(t)
			s.tidy(t)
			if _, err := os.Stat(filepath.Join(s.out, "logs")); err != nil {
				t.Errorf("the logs of the killed run were removed too: %v", err)
			}
		})
	}
}

var (
	kills    = flag.Int("kills", 5, "how many runs TestKilledAtRandom kills")
	killSeed = flag.Uint64("kill-seed", 1, "seed of their moments")
)

// The same at moments that nobody chose; every fifth run of many has its broker in a container.
func TestKilledAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(*killSeed, 0))
	for i := range *kills {
		after := time.Duration(random.Int64N(int64(3 * time.Second)))
		contained := i%5 == 4 && *kills > 5
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			args := append(inScene("100/s", "700ms", "50ms", "[{at: 200ms, fault: kill, node: worker, for: 300ms}]")(t), "--out", s.out)
			if contained {
				enginetest.Needed(t)
				args = inDocker(s.out)
			}
			p := s.start(t, args...)
			select { // no condition is waited for: the moment is the point
			case <-time.After(after):
			case <-p.read:
			}
			_ = p.cmd.Process.Kill()
			p.code(t, patience)
			until(t, "workers and children are gone", soonGone, func() bool { return len(s.marked(t)) == 0 })
			s.sweep(t)
			s.tidy(t)
		})
	}
}

// sweep starts the next command. This one ends as soon as it has cleared away.
func (s *site) sweep(t *testing.T) {
	t.Helper()
	p := s.start(t, "up", "memory", "--lab", "embedded")
	if code := p.code(t, patience); code != exitEnvironment || strings.Contains(p.talk(), "could not remove") {
		t.Errorf("the next command: exit code %d\n%s", code, p.talk())
	}
}
