package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// diaryEnv names the file in which every process of a test notes the events that it observes.
const diaryEnv = "TASKBENCH_TEST_DIARY"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children under the race detector would take a second to leave
	Main(testRegistry(), func() Observer { return openDiary(os.Getenv(diaryEnv)) }, nil)
	if os.Getenv(lonelyEnv) != "" {
		os.Exit(lonelyWorker())
	}
	os.Exit(m.Run())
}

// testRegistry holds the tasks of all tests, for parents and children alike.
func testRegistry() *Registry {
	r := &Registry{}
	r.Add("noop", func(context.Context, *Request) (any, error) { return nil, nil })
	r.Add("fail", func(context.Context, *Request) (any, error) { return nil, errors.New("as asked") })
	r.Add("print", func(context.Context, *Request) (any, error) { fmt.Println("hello"); return nil, nil })
	r.Add("panic", func(context.Context, *Request) (any, error) { panic("as asked") })
	r.Add("unencodable", func(context.Context, *Request) (any, error) { return func() {}, nil })
	r.Add("wait", func(ctx context.Context, r *Request) (any, error) {
		var ms int
		if err := r.Arg(0, &ms); err != nil {
			return nil, err
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	})
	r.Add("nap", func(_ context.Context, r *Request) (any, error) { // whatever becomes of its context
		var ms int
		if err := r.Arg(0, &ms); err != nil {
			return nil, err
		}
		<-time.After(time.Duration(ms) * time.Millisecond)
		return nil, nil
	})
	r.Add("deaf", func(ctx context.Context, r *Request) (any, error) {
		<-make(chan struct{})
		return nil, nil
	})
	r.Add("burn", func(context.Context, *Request) (any, error) {
		for n := 0; ; n++ {
			sink = n
		}
	})
	r.Add("crash", func(context.Context, *Request) (any, error) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
	r.Add("retry", func(_ context.Context, r *Request) (any, error) {
		var times int
		if err := r.Arg(0, &times); err != nil {
			return nil, err
		}
		if r.Retries < times {
			return nil, &RetryError{After: time.Second, Max: -1, Cause: errors.New("not yet")}
		}
		return nil, nil
	})
	r.Add("retry-twice", func(context.Context, *Request) (any, error) {
		return nil, fmt.Errorf("wrapped: %w", &RetryError{Max: 2, Cause: errors.New("never")})
	})
	r.Add("hoard", func(context.Context, *Request) (any, error) {
		hoard = append(hoard, slices.Repeat([]byte{1}, 8<<20))
		return nil, nil
	})
	return r
}

var (
	sink  int
	hoard [][]byte
)

// note is an event as the diary keeps it.
type note struct {
	Kind    EventKind
	Outcome Outcome
	ID      string
	Attempt uint64
	PID     int // of the lost child
	Process int // that observed it
}

// diary is an Observer whose memory outlives its process.
type diary struct {
	mu   sync.Mutex
	file *os.File
}

func openDiary(path string) Observer {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	return &diary{file: f}
}

func (d *diary) Observe(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.file, "%d %d %s %d %d %d\n", e.Kind, e.Outcome, e.ID, e.Attempt, e.PID, os.Getpid())
}

func readDiary(t testing.TB, path string) (notes []note) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var n note
		if _, err := fmt.Sscanf(lines.Text(), "%d %d %s %d %d %d", &n.Kind, &n.Outcome, &n.ID, &n.Attempt, &n.PID, &n.Process); err != nil {
			t.Fatalf("diary says %q: %v", lines.Text(), err)
		}
		notes = append(notes, n)
	}
	return notes
}

// witness is an Observer in memory.
type witness struct {
	mu     sync.Mutex
	events []Event
}

func (w *witness) Observe(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *witness) of(id string) (kinds []EventKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.ID == id {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// count counts events of a kind and, unless zero, an outcome.
func (w *witness) count(k EventKind, o Outcome) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == k && (o == 0 || e.Outcome == o) {
			n++
		}
	}
	return n
}

// startedWorker is a worker that runs until its stop is called; the second call does nothing.
type startedWorker struct {
	*Worker
	stop func()
}

// begin starts a worker and has it stopped at the test's end.
func begin(t testing.TB, s *fakeServer, c Config, o Observer) startedWorker {
	t.Helper()
	return beginWith(t, s, c, Options{Observer: o})
}

// testLog shows the worker's log with the test that fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func task(name, id string, args ...any) brokers.Message {
	m, err := message.New(name, id, args, nil, message.Options{})
	if err != nil {
		panic(err)
	}
	return m
}

// eventually waits for a condition that comes true by another goroutine's or process's doing.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not come true in 20 s that %s", what)
		}
	}
}

// pass lets so much of a bubble's time go by, none of ours, and then waits until all of the bubble has come to rest.
// It cannot become a real wait: outside of a bubble, the first Wait panics.
func pass(d time.Duration) {
	synctest.Wait()
	<-time.After(d)
	synctest.Wait()
}

func kindNames(kinds []EventKind) string {
	names := []string{"", "received", "started", "finished", "acked", "stored", "returned", "malformed", "told"}
	var out []string
	for _, k := range kinds {
		out = append(out, names[k])
	}
	return strings.Join(out, " ")
}
