package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// runsEnv names a file to which children add the number of each attempt that they run.
const runsEnv = "TASKBENCH_TEST_RUNS"

var runs *os.File

// muteEnv makes a pool child end before it has said hello.
const muteEnv = "TASKBENCH_TEST_MUTE"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children under the race detector would take a second to leave
	if IsChild() && os.Getenv(muteEnv) != "" {
		os.Exit(3)
	}
	if IsChild() {
		if path := os.Getenv(runsEnv); path != "" {
			runs, _ = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		}
		Serve(perform)
	}
	if name := os.Getenv(lonelyEnv); name != "" {
		lonely(name)
	}
	os.Exit(m.Run())
}

var (
	burnt   int
	hoarded [][]byte
	now     atomic.Int32
)

// perform does what the task's name says, under the soft limit.
func perform(ctx context.Context, j *Job) Result {
	if runs != nil {
		fmt.Fprintln(runs, j.Attempt) // one write: lines of many children do not mix. First, since from the start on it may be killed
	}
	if j.Started != nil {
		j.Started()
	}
	if soft, _ := j.Limits(); soft > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, soft, ErrSoftLimit)
		defer cancel()
	}
	r := act(ctx, j)
	if j.Ended != nil {
		j.Ended(r)
	}
	return r
}

func act(ctx context.Context, j *Job) Result {
	if j.Task.Name == "noop" {
		return Result{Status: OK} // quickly, for benchmarks
	}
	name, arg, _ := strings.Cut(j.Task.Name, " ")
	number, _ := strconv.Atoi(arg)
	switch name {
	case "pid":
		return Result{Status: Failed, Err: fmt.Errorf("%d", os.Getpid())}
	case "echo":
		m := j.Task.Message
		return Result{Status: Failed, Err: fmt.Errorf("%s %s %v %s %d %v %v %v", m.Queue, m.Body, m.Headers["list"], m.ReplyTo, j.Attempt, j.Redelivered, j.Soft, j.Hard)}
	case "retry":
		return Result{Status: Retry, Err: errors.New("again"), After: time.Minute, Exception: result.NewException("m", "C", 1, "x")}
	case "value":
		return Result{Status: OK, Value: []byte(`{"a": [1, "` + strings.Repeat("x", number) + `"]}`)}
	case "wait":
		<-ctx.Done()
		return stopped(ctx)
	case "nap":
		select {
		case <-time.After(time.Duration(number) * time.Millisecond):
		case <-ctx.Done():
			return stopped(ctx)
		}
	case "deaf":
		<-time.After(time.Duration(number) * time.Millisecond)
	case "gate": // until there is such a file
		for {
			if _, err := os.Stat(arg); err == nil {
				break
			}
			<-time.After(100 * time.Microsecond)
		}
	case "burn":
		for {
			burnt++
		}
	case "stone": // a loop that nothing in the process can interrupt, with every signal ignored that can be
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGALRM)
		debug.SetGCPercent(-1)
		for n := uint(1); n != 0; n |= 1 {
		}
	case "crash":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "spawn": // something that outlives a child that is killed alone
		cmd := exec.Command("sleep", "300")
		if err := cmd.Start(); err != nil {
			return Result{Status: Failed, Err: err}
		}
		fmt.Println("sleeper", cmd.Process.Pid)
		<-ctx.Done()
		select {}
	case "hoard":
		hoarded = append(hoarded, bytes.Repeat([]byte{1}, 8<<20))
	case "threads":
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return Result{Status: Failed, Err: fmt.Errorf("%d %s", syscall.Gettid(), os.Getenv("GOMAXPROCS"))}
	case "together":
		defer now.Add(-1)
		for now.Add(1); now.Load() < int32(number); {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return stopped(ctx)
			}
		}
		<-time.After(20 * time.Millisecond)
	case "send":
		return send(j, number)
	case "stray": // it is sent when the task has ended
		go j.Send(brokers.Message{Queue: "stray"})
		<-time.After(time.Duration(number) * time.Microsecond)
	case "print":
		fmt.Printf("one of %d\ntwo\r\nthree", j.Attempt)
		fmt.Fprint(os.Stderr, " and more")
	case "flood":
		line := bytes.Repeat([]byte("x"), 1<<20)
		if arg != "" {
			line[999] = '\n'
		}
		for range 1 << 10 {
			os.Stdout.Write(line)
		}
	}
	return Result{Status: OK}
}

func stopped(ctx context.Context) Result {
	err := context.Cause(ctx)
	switch {
	case errors.Is(err, ErrTimeLimit):
		return Result{Status: TimedOut, Err: err}
	case errors.Is(err, ErrRevoked):
		return Result{Status: Killed, Terminated: true, Err: err}
	}
	return Result{Status: Failed, Err: err}
}

// send publishes from many goroutines at once, and says what became of that.
func send(j *Job, n int) Result {
	var all sync.WaitGroup
	var failed, definite atomic.Int32
	for i := range n {
		all.Go(func() {
			if err := j.Send(brokers.Message{Queue: fmt.Sprint("q", i), Body: bytes.Repeat([]byte{byte(i)}, i<<8)}); err != nil {
				failed.Add(1)
				if brokers.Definite(err) && strings.Contains(err.Error(), "full") {
					definite.Add(1)
				}
			}
		})
	}
	all.Wait()
	return Result{Status: Failed, Err: fmt.Errorf("%d failed, %d of them surely", failed.Load(), definite.Load())}
}

var attempts atomic.Uint64

func job(t testing.TB, name string) *Job {
	t.Helper()
	number := attempts.Add(1)
	m, err := message.New(name, fmt.Sprint("id-", number), nil, nil, message.Options{ReplyTo: "r", Headers: map[string]any{"list": []any{int64(1), "x", nil}}})
	if err != nil {
		t.Fatal(err)
	}
	m.Queue = "q"
	task, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Task: task, Attempt: number}
}

// managed is a pool with both its interfaces.
type managed struct {
	Pool
	Manager
}

func open(t testing.TB, name string, s Settings) managed {
	t.Helper()
	if s.Log == nil {
		s.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	p, err := New(t.Context(), name, s, perform)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return managed{p, p.(Manager)}
}

// begin runs a job and returns once it has started.
func begin(t testing.TB, p Pool, j *Job) <-chan Result {
	t.Helper()
	started, ended := make(chan bool), make(chan Result, 1)
	j.Started = func() { close(started) }
	go func() { ended <- p.Run(context.Background(), j) }()
	select {
	case <-started:
	case r := <-ended:
		ended <- r // it may have been quick
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not start in 20 s", j.Task.Name)
	}
	return ended
}

// within waits for a result.
func within(t testing.TB, d time.Duration, ended <-chan Result) Result {
	t.Helper()
	select {
	case r := <-ended:
		return r
	case <-time.After(d):
		t.Fatalf("the job has not ended in %v", d)
		return Result{}
	}
}

// until waits for a condition that other processes make true.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not come true in 20 s that %s", what)
		}
	}
}

// running tells whether a process is there and not merely waiting to be reaped.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// record is a log to look into.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }
