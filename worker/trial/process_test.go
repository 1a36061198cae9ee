package trial_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/worker"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// workerEnv makes a process of this test binary a worker: its setting as JSON.
const workerEnv = "TASKBENCH_TRIAL_WORKER"

// A setting is what a worker in a process of its own is told.
type setting struct {
	Config  worker.Config
	Results string // URL of a Redis; "" keeps none
}

// work is the main function of a worker. It says when it consumes, and stops warmly on SIGTERM.
func work(text string) error {
	var s setting
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	_ = os.Unsetenv(workerEnv) // pool children are none
	driver, _, err := all.Find(s.Config.Broker + ":" + s.Config.Variant)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := worker.Options{
		Registry: registry(), Driver: driver, Ready: func() { fmt.Println("ready") },
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if s.Results != "" {
		b, err := redis.Open(ctx, s.Results, result.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }() // the process ends
		o.Results = b
	}
	w, err := worker.New(s.Config, o)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// A process is a worker as a process of its own.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
	err  error         // how, once it has
}

// launch starts a worker in a process and returns once it consumes. Its log goes to the writer: of nil, to the test's.
func launch(t testing.TB, s server, x setting, log io.Writer) *process {
	t.Helper()
	x.Config.Broker, x.Config.Variant, x.Config.WithoutMingle = s.driver.Name, s.variant.Name, true
	if x.Config.URL == "" {
		x.Config.URL = s.url
	}
	text, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0]), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerEnv+"="+string(text))
	if log == nil {
		log = t.Output()
	}
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		tell := sync.OnceFunc(func() { close(ready) })
		for lines.Scan() {
			if lines.Text() == "ready" {
				tell()
			}
		}
		_, _ = io.Copy(io.Discard, out) // of a line too long for the scanner
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	select {
	case <-ready:
	case <-p.gone:
		select {
		case <-ready: // and then it ended
		default:
			t.Fatalf("the worker ended before it was ready: %v", p.err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the worker was not ready in 30 s")
	}
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.gone
}

// ends waits for the process's end, and tells how long that took.
func (p *process) ends(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	select {
	case <-p.gone:
	case <-time.After(limit):
		t.Fatalf("the worker did not end in %v", limit)
	}
	return time.Since(began)
}

// children are the processes that a process has started and that run.
func children(pid int) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := stat(child); len(fields) > 1 && fields[1] == strconv.Itoa(pid) && fields[0] != "Z" {
			pids = append(pids, child)
		}
	}
	slices.Sort(pids)
	return pids
}

// stat are the fields of a process from its state on; none where it is gone.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

// lives tells whether a process is there and not merely waiting to be reaped.
func lives(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// peak is the most memory that a process has had, in bytes.
func peak(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("the system does not tell of the memory of process %d", pid)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
