package trial_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/worker"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // children under the race detector would take a second to leave
	worker.Main(registry(), func() worker.Observer { return mute{} }, nil)
	if text := os.Getenv(workerEnv); text != "" {
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

// mute is what watches in pool children: a child dies as soon as it has run a task whose id begins with "mute:", before
// it could say what the task returned; once, for the file that the rest of the id names.
type mute struct{}

func (mute) Observe(e worker.Event) {
	path, meant := strings.CutPrefix(e.ID, "mute:")
	if !meant || e.Kind != worker.Finished {
		return
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		_ = f.Close() // it is empty
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func run(m *testing.M) int {
	defer shared.close()
	return m.Run()
}

// thorough tells how much of a trial there is: all of it, or what the short profile has.
func thorough[T any](all, short T) T {
	if testing.Short() {
		return short
	}
	return all
}

// testLog shows what workers say with the test that fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// within waits for a condition that comes true by somebody else's doing, and tells how long that took.
func within(t testing.TB, limit time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	took, ok := comes(limit, condition)
	if !ok {
		t.Fatalf("it did not come true in %v that %s", limit, what)
	}
	return took
}

func comes(limit time.Duration, condition func() bool) (time.Duration, bool) {
	began := time.Now()
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-over.C:
			return time.Since(began), condition()
		}
	}
	return time.Since(began), true
}
