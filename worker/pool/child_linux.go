package pool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"taskbench/worker/message"
)

// IsChild tells whether this process was started as a pool child.
func IsChild() bool {
	_, ok := os.LookupEnv(ChildEnv)
	return ok
}

// Serve is the whole life of a pool child: it runs what its parent sends, one job after the other, and ends the
// process when the parent is gone, by whatever death, or when it has reached a bound that it was given.
func Serve(run Runner) {
	os.Exit(serve(run))
}

func serve(run Runner) int {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(ChildEnv)), &o); err != nil {
		fmt.Fprintf(os.Stderr, "pool child: read %s: %v\n", ChildEnv, err)
		return 1
	}
	os.Unsetenv(ChildEnv) // what tasks start are not pool children
	for _, fd := range []int{fdJobs, fdLeash, fdNotebook} {
		syscall.CloseOnExec(fd)
	}
	notes, _, err := mapNotebook(fdNotebook)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pool child: %v\n", err)
		return 1
	}
	// A terminal's Ctrl-C and a group's SIGTERM are for the parent to act on: it decides what becomes of tasks.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM)

	ctx, cancel := context.WithCancelCause(context.Background())
	go follow(cancel)
	jobs := os.NewFile(fdJobs, "jobs")
	if err := tell(jobs, frameHello); err != nil {
		return 0
	}
	c := &child{run: run, jobs: jobs, notes: notes, orders: o}
	if err := c.serve(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "pool child %d: %v\n", os.Getpid(), err)
		return 1
	}
	return 0
}

// follow ends the process with its parent, and cancels the tasks when told to. The leash is a pipe of its own, so
// that it is watched while a task runs.
func follow(cancel context.CancelCauseFunc) {
	_ = syscall.SetNonblock(fdLeash, true) // waited for in the poller, which needs no thread
	leash := os.NewFile(fdLeash, "leash")
	buf := make([]byte, 4096)
	for {
		n, err := leash.Read(buf)
		if err != nil {
			os.Exit(0)
		}
		cancel(errors.New(string(buf[:n])))
	}
}

type child struct {
	run    Runner
	jobs   *os.File // blocks in the kernel: there is nothing else for this process to do
	notes  *notebook
	orders orders
	out    []byte
}

// serve runs jobs until there are no more.
func (c *child) serve(ctx context.Context) error {
	in := bufio.NewReaderSize(c.jobs, 16<<10)
	for n := uint64(1); ; n++ {
		payload, err := readFrame(in)
		if err != nil {
			return nil // the parent is gone, or wants this child gone
		}
		c.notes.taken.Store(n)
		ended := func(r Result) {
			c.notes.after.Store(int64(r.After))
			c.notes.ended.Store(n<<8 | uint64(r.Status))
		}
		r := c.job(ctx, payload, ended)
		ended(r)
		leaving := c.orders.MaxTasks > 0 && n >= uint64(c.orders.MaxTasks) ||
			c.orders.MaxMemory > 0 && resident() > c.orders.MaxMemory
		c.out = appendDone(c.out[:0], r, leaving)
		if _, err := c.jobs.Write(c.out); err != nil || leaving {
			return nil
		}
	}
}

func (c *child) job(ctx context.Context, payload []byte, ended func(Result)) Result {
	j, tellStart, err := decodeJob(payload)
	if err == nil {
		j.Task, err = message.Read(j.Task.Message, j.Task.Message.ContentType) // accepted by the parent
	}
	if err != nil {
		return Result{Status: Malformed, Err: err}
	}
	j.Ended = ended
	if tellStart {
		j.Started = func() { _ = tell(c.jobs, frameStarted) } // a lost parent shows at the next read
	}
	return c.run(ctx, &j)
}

// tell sends a frame of one byte.
func tell(jobs *os.File, kind byte) error {
	_, err := jobs.Write([]byte{0, 0, 0, 1, kind})
	return err
}

// resident is this process's RSS in bytes; 0 where it cannot be told.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
