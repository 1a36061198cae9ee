package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness"
)

func TestExitCodes(t *testing.T) {
	broken := harness.EnvironmentError{Err: errors.New("bring broker up: no space left on device")}
	tests := map[string]struct {
		change func(*app)
		want   int
		stderr string
	}{
		"pass":           {ending(harness.Pass, nil), 0, "pass"},
		"fail":           {ending(harness.Fail, nil), 1, "fail"},
		"undecided":      {ending(harness.Undecided, nil), 3, "undecided"},
		"void":           {ending(harness.Void, nil), 3, "void"},
		"environment":    {ending(harness.Undecided, broken), 4, "no space left on device"},
		"failed and ill": {ending(harness.Fail, broken), 4, "no space left on device"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "result")
			code, stdout, stderr := command(t, test.change, "compare", "--lab", "embedded", "--brokers", "memory", "--pools", "goroutine", "--out", dir)
			if code != test.want || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit code %d, want %d; stderr:\n%s", code, test.want, stderr)
			}
			if stdout == "" {
				t.Error("no table on stdout")
			}
			for _, file := range []string{"result.json", "report.html"} {
				if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
					t.Errorf("the result was not written: %v", err)
				}
			}
		})
	}
}

func TestNoEngineIsTheEnvironmentsFault(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	code, stdout, stderr := command(t, nil, "compare", "--lab", "docker", "--brokers", "redis", "--out", filepath.Join(t.TempDir(), "result"))
	if code != exitEnvironment || stdout != "" || !strings.Contains(stderr, "no container engine answers") {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, stdout, stderr)
	}
}

func TestJSONOnStdout(t *testing.T) {
	code, stdout, stderr := command(t, ending(harness.Pass, nil), "compare", "--lab", "embedded", "--brokers", "memory", "--json", "--quiet", "--seed", "7", "--out", filepath.Join(t.TempDir(), "result"))
	var r harness.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Seed != 7 || r.Outcome != harness.Pass {
		t.Errorf("exit code %d, %v, result %+v", code, err, r)
	}
	if stderr != "" {
		t.Errorf("not quiet: %q", stderr)
	}
}

// A result is never mixed with what is there already, unless that is wanted.
func TestOutIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"compare", "--lab", "embedded", "--brokers", "memory", "--out", dir}
	code, _, stderr := command(t, nil, args...)
	if code != exitUsage || !strings.Contains(stderr, "--force") {
		t.Errorf("exit code %d, stderr:\n%s", code, stderr)
	}
	code, _, stderr = command(t, ending(harness.Pass, nil), append(args, "--force")...)
	if code != exitOK {
		t.Errorf("with --force: exit code %d, stderr:\n%s", code, stderr)
	}
}

// The first interrupt ends the run, which still leaves its result; the second does not wait.
func TestInterrupts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	var left []int
	code, _, stderr := command(t, func(a *app) {
		gone := make(chan struct{})
		a.leave = func(code int) { left = append(left, code); close(gone) }
		a.run = func(ctx context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
			interrupt(t)
			await(t, ctx.Done())
			interrupt(t)
			await(t, gone)
			r := resultOf(p, harness.Undecided)
			r.Warnings = []string{"interrupted: 1 of 2 cells were run"}
			return r, ctx.Err()
		}
	}, "compare", "--lab", "embedded", "--brokers", "memory", "--out", dir)
	if code != exitInterrupted || len(left) != 1 || left[0] != exitInterrupted {
		t.Errorf("exit code %d, left at once with %v", code, left)
	}
	for _, say := range []string{"interrupted; cleaning up", "bench down"} {
		if !strings.Contains(stderr, say) {
			t.Errorf("stderr does not say %q:\n%s", say, stderr)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil || !strings.Contains(string(text), "interrupted: 1 of 2") {
		t.Errorf("the partial result is not written and marked: %v %s", err, text)
	}
}

func interrupt(t *testing.T) {
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Error(err)
	}
}

func await(t *testing.T, done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("nothing happened within 5 s")
	}
}

func TestSecretsAreHidden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	var asked harness.Request
	_, stdout, stderr := command(t, func(a *app) {
		a.plan = func(_ context.Context, r harness.Request) (harness.Plan, error) {
			asked = r
			return harness.Plan{}, harness.InputError{Err: errors.New("cannot use " + r.URLs["redis"])}
		}
	}, "compare", "--brokers", "redis", "--url", "redis=redis://:hunter2@127.0.0.1:6379/0", "--out", dir)
	if strings.Contains(stdout+stderr+asked.Command, "hunter2") {
		t.Errorf("a password was printed: %s%s%s", stdout, stderr, asked.Command)
	}
	if !strings.Contains(asked.URLs["redis"], "hunter2") {
		t.Error("the password was kept from whoever needs it")
	}
}
