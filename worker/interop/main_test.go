package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/worker"
	"taskbench/worker/interop"
	"taskbench/worker/result"
	backends "taskbench/worker/result/all"
)

// requireEnv says by the value "require" that the tests that need Celery are to be run, and fail where it or a server
// is missing. Else they are skipped: they take minutes.
const requireEnv = "TASKBENCH_CELERY"

// workerEnv makes a process of this test binary one of our workers: its setting as JSON.
const workerEnv = "TASKBENCH_INTEROP_WORKER"

// A setting is what one of our workers is told.
type setting struct {
	Config  worker.Config
	Results string // URL of what keeps results
}

func TestMain(m *testing.M) {
	worker.Main(registry(), nil, nil)
	if text := os.Getenv(workerEnv); text != "" {
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer func() {
		for _, end := range ends.list {
			end()
		}
	}()
	return m.Run()
}

// ends are what is to be done once all tests are over, for what they share.
var ends struct {
	sync.Mutex
	list []func()
}

func atEnd(f func()) {
	ends.Lock()
	defer ends.Unlock()
	ends.list = append([]func(){f}, ends.list...)
}

// work is the main function of one of our workers. It stops warmly on SIGTERM.
func work(text string) error {
	var s setting
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	c := s.Config
	driver, variant, err := all.Find(c.Broker + ":" + c.Variant)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	broker, err := driver.Open(ctx, c.URL, variant) // for results that go over it
	if err != nil {
		return err
	}
	defer broker.Close()
	results, err := backends.Open(ctx, s.Results, result.Options{Broker: broker})
	if err != nil {
		return err
	}
	defer func() { _ = results.Close() }() // the process ends
	w, err := worker.New(c, worker.Options{
		Registry: registry(), Driver: driver, Results: results,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Ready:  func() { fmt.Println(c.Name, "ready.") },
		Accept: []string{"application/json", "application/x-msgpack", "application/x-yaml"},
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// celeries are the installations, or the test's end.
func celeries(t *testing.T) []interop.Celery {
	t.Helper()
	if os.Getenv(requireEnv) != "require" {
		t.Skip("real Celery is wanted: `make interop` installs it and runs this test")
	}
	found, err := interop.Installed(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// soon bounds one case.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	t.Cleanup(cancel)
	return ctx
}
