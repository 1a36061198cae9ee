// Package pool runs attempts at tasks under one of five concurrency models: solo (one at a time), goroutine (so
// many at a time in this process), threads (the same, each on an operating system's thread of its own, with whatever
// foreign code keeps there), green (so many at a time on one thread of one child process), and prefork (each in a
// child process of its own, which can be killed without harm to the rest). Children are of the same binary.
//
// It takes golang.org/x/sys for the shared memory, pipes and waiting of Linux that the syscall package lacks.
package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"taskbench/brokers"
	"taskbench/worker/logging"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A Job is one attempt at one task. It belongs to whoever made it, and may be used again once Run returned.
type Job struct {
	Task        message.Task
	Attempt     uint64
	Redelivered bool

	// The time limits in force, counted from the start of the attempt. 0 leaves it to the message's own.
	Soft, Hard time.Duration

	// Send publishes for the task. With prefork and green it is called in the parent, while the task waits. It may
	// be called from several goroutines. Nil: tasks cannot publish.
	Send func(brokers.Message) error

	// Started is called when the attempt has started, before Run returns. With prefork and green the attempt goes
	// on meanwhile; elsewhere the task's function waits for it. Nil: nobody wants to know.
	Started func()

	// Prompt has Started called as soon as the attempt has. With prefork a start is else told some milliseconds late,
	// or with the end, so that tasks that take less than that cost no more for it.
	Prompt bool

	// Ended is called by a Runner when it knows the result, before it tells anybody else: a child that dies
	// after that has not been killed over the job. False says that the attempt was given up before, so that its
	// result is nobody's and is not told. Nil: nobody wants to know.
	Ended func(Result) bool

	frame []byte // prefork and green: the encoded job, kept for its memory
}

// Limits are the soft and the hard limit in force; 0 is none.
func (j *Job) Limits() (soft, hard time.Duration) {
	soft, hard = j.Soft, j.Hard
	if soft == 0 {
		soft = j.Task.Soft
	}
	if hard == 0 {
		hard = j.Task.Hard
	}
	return soft, hard
}

// Status is how an attempt ended.
type Status uint8

// The statuses. Unstarted attempts had no effect at all; Killed ones were cut off at an unknown point.
const (
	Unstarted Status = iota
	OK
	Failed
	Retry
	TimedOut
	Killed
	Malformed // the body could not be read; nothing was run
	Expired   // too late to be run at all
)

// A Result is what became of a job.
type Result struct {
	Status     Status
	Terminated bool              // Killed on the word of Manager.Kill
	After      time.Duration     // for Retry
	Err        error             // why, for Failed, Retry, TimedOut, Killed, Malformed; its type does not outlive a child
	Exception  *result.Exception // the same for result backends; also where a success could not hand over its Value
	Value      json.RawMessage   // what an OK task returned; nil is null

	// PID is the process that ran the attempt, if that could not say how it ended: a child that was lost or killed,
	// or this process where the attempt was abandoned at its hard limit and may run on.
	PID int
}

// A Runner carries out one attempt in this process: it reads the body, reports the start by Job.Started, calls
// the task's function under the soft limit, survives its panic, and reports the end by Job.Ended.
type Runner func(ctx context.Context, j *Job) Result

// A Pool runs jobs. Its methods may be called concurrently. Every pool is a Manager too.
type Pool interface {
	// Run waits for a free place and runs the job there. When ctx ends before the job has started, it returns
	// an Unstarted result; ctx has no power over a job that runs. At the job's hard limit the child that runs it
	// is killed with all the processes of its group (prefork); elsewhere the attempt is abandoned: its context
	// ends, its place is free, and its function runs on. Either way the result is TimedOut, unless the task has
	// ended just before: there is one outcome.
	Run(ctx context.Context, j *Job) Result

	// Cancel ends the context of every running attempt, with the cause. Where attempts can be killed, those
	// that do not heed it are, a second later. Nothing should be run afterwards.
	Cancel(cause error)

	// Size is the number of places.
	Size() int

	// PIDs are the child processes that live now.
	PIDs() []int

	// Close frees what the pool holds, children with whatever they run included. A second call does nothing.
	Close() error
}

// A Manager changes a pool that runs.
type Manager interface {
	// Resize makes it n places, and returns at once. Those beyond n that are busy end when their job has. With 0
	// nothing is started any more. It fails for a number below 0, or above what the kind of pool can have; solo has
	// one place at most.
	Resize(n int) error

	// Restart has every child replaced as soon as it is idle, idle ones one after the other, and returns at once.
	// A green child is replaced at once, and ends when its jobs have. Other pools have nothing to restart.
	Restart()

	// Kill ends a running attempt: the child of a prefork pool gets the signal, with all the processes of its
	// group, and SIGKILL a tenth of a second later; elsewhere the attempt's context ends with ErrRevoked, and the
	// rest is up to the task. False says that no such attempt runs now.
	Kill(attempt uint64, s syscall.Signal) bool

	// Abandoned is how many attempts were abandoned at their hard limit and still run.
	Abandoned() int
}

// A Locator is a pool whose attempts run in child processes.
type Locator interface {
	// Locate returns the child in which the attempt runs, and 0 where no such attempt runs now.
	Locate(attempt uint64) (pid int)
}

// Settings say how a pool is to be.
type Settings struct {
	Size      int
	MaxTasks  int   // prefork and green: jobs after which a child is replaced; 0 never
	MaxMemory int64 // prefork and green: bytes of RSS after a job beyond which a child is replaced; 0 never
	Log       *slog.Logger

	// Capture has what children print, to standard output and standard error, logged line by line with the task
	// that ran, by module "task"; else it goes to this process's standard error. Lines are cut at 64 KiB. A green
	// child's line names its task where only one ran. What tasks print in this process's own pools goes where it
	// went before.
	Capture bool

	output *slog.Logger // for what is captured
}

// New makes the pool of that name. A prefork or green pool is returned once its first child is ready for work; ctx
// bounds the wait.
func New(ctx context.Context, name string, s Settings, run Runner) (Pool, error) {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	s.output, s.Log = logging.For(s.Log, "task"), logging.For(s.Log, "pool")
	switch name {
	case "solo":
		s.Size = 1
		return newSlots(s, 1, run), nil
	case "goroutine":
		return newSlots(s, mostSlots, run), nil
	case "threads":
		return newThreads(s, run), nil
	case "green":
		return newGreen(ctx, s)
	case "prefork":
		return newPrefork(ctx, s)
	}
	return nil, fmt.Errorf("there is no pool %q: take solo, goroutine, threads, green or prefork", name)
}
