package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/worker"
)

// request is an attempt at a task with the keyword arguments given as JSON.
func request(t *testing.T, kwargs string) *worker.Request {
	t.Helper()
	r := &worker.Request{ID: "an-id", Task: "bench.x"}
	if err := json.Unmarshal([]byte(kwargs), &r.Kwargs); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegistryAndSpecsAgree(t *testing.T) {
	var names []string
	for _, s := range Specs() {
		names = append(names, Prefix+s.Name)
		if s.Doc == "" {
			t.Errorf("task %s has no doc", s.Name)
		}
		for _, p := range s.Params {
			if p.Doc == "" {
				t.Errorf("parameter %s of task %s has no doc", p.Name, s.Name)
			}
		}
	}
	slices.Sort(names)
	if got := Registry().Names(); !slices.Equal(got, names) {
		t.Errorf("registry has %v, the list %v", got, names)
	}
}

func TestCPUDoesTheSameWorkEverywhere(t *testing.T) {
	got, err := runCPU(t.Context(), request(t, `{"work": 100000}`))
	if err != nil || got != int64(2108273960948408) {
		t.Errorf("100,000 iterations came to %v, %v", got, err)
	}
	asked, err := runCPU(t.Context(), request(t, `{"cpu_us": 10000, "per_ms": 10000}`))
	if err != nil || asked != got {
		t.Errorf("10 ms at 10,000 iterations each came to %v, %v; want %v", asked, err, got)
	}
}

func TestCPUStopsWithItsContext(t *testing.T) {
	why := errors.New("time limit")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := runCPU(ctx, request(t, `{"work": 1000000000000000}`)); !errors.Is(err, why) {
		t.Errorf("ended with %v", err)
	}
}

func TestCalibration(t *testing.T) {
	began := time.Now()
	perMS, err := Calibrate(t.Context())
	if err != nil || perMS < 1000 || perMS > 1e8 {
		t.Fatalf("%v iterations in a millisecond, %v", perMS, err)
	}
	t.Logf("%.0f iterations in a millisecond, found in %v", perMS, time.Since(began))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Calibrate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestIOWaitsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if _, err := runIO(t.Context(), request(t, `{"us": 1500000}`)); err != nil || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("waited %v, %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := runIO(ctx, request(t, `{"us": 1500000}`)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("waited %v under a limit of a second, %v", time.Since(began), err)
		}
	})
}

func TestIOViaHTTP(t *testing.T) {
	s, err := StartSlowServer()
	if err != nil {
		t.Fatal(err)
	}
	call := func(us int) error {
		_, err := runIO(t.Context(), request(t, fmt.Sprintf(`{"us": %d, "url": %q}`, us, s.URL())))
		return err
	}
	began := time.Now()
	if err := call(30_000); err != nil || time.Since(began) < 30*time.Millisecond {
		t.Errorf("a call of 30 ms took %v, %v", time.Since(began), err)
	}
	if err := call(-1); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a call of negative length: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := runIO(ctx, request(t, fmt.Sprintf(`{"us": 60000000, "url": %q}`, s.URL()))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call of a minute under a limit: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := call(1); err == nil {
		t.Error("a closed server answered")
	}
}

func TestFailSucceedsAfterItsRetries(t *testing.T) {
	for retries := range 4 {
		r := request(t, `{"fails": 2}`)
		r.Retries = retries
		_, err := runFail(t.Context(), r)
		var again *worker.RetryError
		if wants := errors.As(err, &again); wants != (retries < 2) || err != nil && !wants {
			t.Errorf("after %d retries: %v", retries, err)
		}
		if again != nil && (again.Max != 2 || again.After > 100*time.Millisecond) {
			t.Errorf("asks for %+v", again)
		}
	}
}

// TestMain lets the test binary stand in for a worker process that a crash task kills.
func TestMain(m *testing.M) {
	if kwargs, ok := os.LookupEnv("TASKS_TEST_CRASH"); ok {
		r := &worker.Request{ID: "../an id", Task: "bench.crash"}
		if err := json.Unmarshal([]byte(kwargs), &r.Kwargs); err != nil {
			panic(err)
		}
		if _, err := runCrash(context.Background(), r); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ended says how a process that ran the crash task ended: killed, or by its exit code.
func ended(t *testing.T, kwargs string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "TASKS_TEST_CRASH="+kwargs)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if s := c.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		return s.Signal().String()
	}
	return fmt.Sprint(c.ProcessState.ExitCode())
}

func TestCrash(t *testing.T) {
	marks := filepath.Join(t.TempDir(), "marks")
	until := fmt.Sprintf(`{"crash": true, "until": 2, "marks": %q}`, marks)
	for i, c := range []struct{ kwargs, want string }{
		{`{"crash": true}`, "killed"},
		{`{"crash": true}`, "killed"},
		{`{"crash": false}`, "0"},
		{until, "killed"},
		{until, "killed"},
		{until, "0"},
		{`{"crash": true, "until": 2}`, "3"},
		{`{}`, "3"},
	} {
		if got := ended(t, c.kwargs); got != c.want {
			t.Errorf("%d: crash with %s ended with %s, want %s", i, c.kwargs, got, c.want)
		}
	}
	if left, err := os.ReadDir(marks); err != nil || len(left) != 1 {
		t.Errorf("marks are %v, %v: want one file", left, err)
	}
}

func TestMissingArgumentsAreErrors(t *testing.T) {
	for _, task := range all {
		if len(task.spec.Needs) == 0 && task.spec.Name != "crash" {
			continue
		}
		if _, err := task.run(t.Context(), request(t, `{}`)); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s without arguments: %v", task.spec.Name, err)
		}
	}
}
