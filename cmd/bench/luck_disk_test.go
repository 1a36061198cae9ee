package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/brokers/servertest"
	"taskbench/harness"
)

// disk mounts a file system of the given size, such as "4m", where the site's result goes.
func (s *site) disk(t *testing.T, size string) {
	t.Helper()
	at := filepath.Join(filepath.Dir(s.out), "disk")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	servertest.Disk(t, at, size)
	s.out = filepath.Join(at, "result")
}

// fill takes all the room that there is beside the result.
func (s *site) fill(t *testing.T) (empty func()) { return servertest.Fill(t, filepath.Dir(s.out)) }

// A disk that is too small is told before anything is made.
func TestDiskTooSmall(t *testing.T) {
	s := newSite(t)
	s.disk(t, "6m")
	p := s.start(t, small(s.out, "1m")...)
	if code := p.code(t, patience); code != exitEnvironment || p.stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q", code, p.stdout.String())
	}
	wants(t, p.talk(), "no room for the result in "+s.out, "6 MiB are free", "--out")
	s.nothingMade(t)
}

// A disk that fills up while a run is on ends it: with what could be kept, without a crash, and without taking
// evidence that found no room for tasks that were lost.
func TestDiskFillsUp(t *testing.T) {
	for _, pool := range []string{"prefork", "goroutine"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.disk(t, "24m")
			p := s.start(t, append(inScene("400/s", "1m", "1ms", "")(t), "--pools", pool, "--out", s.out, "--json")...)
			p.says(t, ": steady", patience)
			s.fill(t)
			if code := p.code(t, patience); code != exitEnvironment {
				t.Errorf("exit code %d, want %d", code, exitEnvironment)
			}
			wants(t, p.talk(), "no room for the result in "+s.out, "make room there", "--out")
			var r harness.Result
			if err := json.Unmarshal(p.stdout.Bytes(), &r); err != nil || len(r.Cells) != 1 {
				t.Fatalf("no result on stdout: %v\n%s", err, p.talk())
			}
			c := r.Cells[0]
			if r.Outcome != harness.Undecided || c.Outcome != harness.Undecided || c.Counts.Lost != 0 || c.Guarantee != "" {
				t.Errorf("the run is %s, its cell %s with %+v, guarantee %q", r.Outcome, c.Outcome, c.Counts, c.Guarantee)
			}
			for _, f := range c.Findings {
				if f.Check == "lost" || f.Check == "orphaned" || f.Check == "stall" || f.Check == "phantom-confirm" {
					t.Errorf("found by absence of evidence: %+v", f)
				}
			}
			logs, _ := filepath.Glob(filepath.Join(s.out, "logs", "*"))
			for _, path := range logs {
				text, _ := os.ReadFile(path)
				if strings.Contains(string(text), "SIGBUS") || strings.Contains(string(text), "goroutine 1 [") {
					t.Errorf("%s: crashed:\n%s", path, text)
				}
			}
			s.tidy(t)
		})
	}
}

// A disk without room for the reports costs them and the exit code, not the verdict on the screen.
func TestDiskFullAtTheEnd(t *testing.T) {
	s := newSite(t)
	s.disk(t, "24m")
	code, stdout, stderr := command(t, func(a *app) {
		a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
			s.fill(t)
			return resultOf(p, harness.Pass), nil
		}
	}, "compare", "--lab", "embedded", "--brokers", "memory", "--pools", "goroutine", "--out", s.out)
	if code != exitEnvironment {
		t.Errorf("exit code %d, want %d", code, exitEnvironment)
	}
	wants(t, stdout, "pass")
	wants(t, stderr, "the result in "+s.out+" is not whole", "no space left on device", "files more")
	if n := strings.Count(stderr, "no space left"); n != 1 {
		t.Errorf("told %d times:\n%s", n, stderr)
	}
}
