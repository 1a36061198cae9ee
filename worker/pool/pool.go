// Package pool runs attempts at tasks under one of three concurrency models: solo (one at a time), goroutine (so
// many at a time in this process), and prefork (each in a child process of the same binary, which can be killed
// without harm to the rest).
//
// It takes golang.org/x/sys for the shared memory and socket flags of Linux, which the syscall package lacks.
package pool

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"taskbench/worker/message"
)

// A Job is one attempt at one task. It belongs to whoever made it, and may be used again once Run returned.
type Job struct {
	Task        message.Task
	Attempt     uint64
	Redelivered bool

	// Started is called when the attempt has started, before Run returns. With prefork the attempt goes on
	// meanwhile; elsewhere the task's function waits for it. Nil: nobody wants to know.
	Started func()

	// Ended is called by a Runner when it knows the result, before it tells anybody else: a child that dies
	// after that has not been killed over the job. Nil: nobody wants to know.
	Ended func(Result)

	frame []byte // prefork: the encoded job, kept for its memory
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
	Status Status
	Err    error         // why, for Failed, Retry, TimedOut, Malformed
	After  time.Duration // for Retry
	PID    int           // the child that ran the attempt, if it died before it could say how that ended
}

// A Runner carries out one attempt in this process: it reads the body, reports the start by Job.Started, calls
// the task's function and survives its panic.
type Runner func(ctx context.Context, j *Job) Result

// A Pool runs jobs. Its methods may be called concurrently.
type Pool interface {
	// Run waits for a free place and runs the job there. When ctx ends before the job has started, it returns
	// an Unstarted result; ctx has no power over a job that runs.
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

// Settings say how a pool is to be.
type Settings struct {
	Size      int
	MaxTasks  int   // prefork: jobs after which a child is replaced; 0 never
	MaxMemory int64 // prefork: bytes of RSS after a job beyond which a child is replaced; 0 never
	Log       *slog.Logger
}

// New makes the pool of that name. A prefork pool is returned once its first child is ready for work; ctx bounds
// the wait.
func New(ctx context.Context, name string, s Settings, run Runner) (Pool, error) {
	switch name {
	case "solo":
		return newSlots(1, run), nil
	case "goroutine":
		return newSlots(s.Size, run), nil
	case "prefork":
		return newPrefork(ctx, s)
	}
	return nil, fmt.Errorf("there is no pool %q: take solo, goroutine or prefork", name)
}
