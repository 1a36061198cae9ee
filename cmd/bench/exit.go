package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"taskbench/harness"
)

// The exit codes. They are an interface: scripts and pipelines branch on them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUndecided   = 3
	exitEnvironment = 4
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes:
  0    every expectation held
  1    an expectation did not hold
  2    bad usage or bad input; nothing was started
  3    undecided or void: the run does not allow a verdict
  4    the environment failed: no engine, no image, no disk, a server that does not start
  130  interrupted; what was found so far is written and marked`

// A verdict is the error of a command that did its work and found something.
type verdict struct {
	code    int
	text    string
	explain bool // whether the text has yet to be said
}

func (v verdict) Error() string { return v.text }

// exitCode turns what a command returned into what the process returns. An interruption comes first, for whatever
// else went wrong may be its consequence; then what kept the run from being whole; then what it found.
func exitCode(ctx context.Context, err error) int {
	var input harness.InputError
	var found verdict
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &input):
		return exitUsage
	case errors.As(err, &found):
		return found.code
	default:
		return exitEnvironment
	}
}

// outcomeCode is the exit code of a run that ended by itself.
func outcomeCode(o harness.Outcome) int {
	switch o {
	case harness.Pass:
		return exitOK
	case harness.Fail:
		return exitFailed
	default:
		return exitUndecided
	}
}

// errInterrupted is the cause that ends the command's context at the first interrupt.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that ends at the first interrupt, so that whatever was started is cleaned up.
// At the second the process leaves at once; the next `bench` then removes what stayed behind.
func interruptible(parent context.Context, stderr io.Writer, leave func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup leaves it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A reader of the output who leaves early, such as head, must not end a run without its cleaning up: writes
	// then fail, and nothing else happens.
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			select {
			case <-done:
				return
			case <-signals:
			}
			if !first {
				_, _ = fmt.Fprintln(stderr, "bench: leaving at once; `bench down` removes what is left behind")
				leave(exitInterrupted)
				return
			}
			_, _ = fmt.Fprintln(stderr, "\nbench: interrupted; cleaning up (again: leave at once)")
			cancel(errInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(unread)
		close(done)
		cancel(nil)
	}
}
