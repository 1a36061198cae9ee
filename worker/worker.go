// Package worker is a task queue worker that speaks Celery's message format: it takes messages from a broker,
// runs the tasks that they name in a pool, and settles each by its acknowledgement policy.
//
// A program that runs workers with the prefork pool calls Main first thing in main, and in TestMain: pool
// children are processes of the same binary. Then
//
//	w, err := worker.New(config, worker.Options{Registry: registry, Driver: redis.Driver})
//	err = w.Run(ctx)
//
// runs until ctx ends, and then stops warmly. Whatever happens to the broker, the worker reconnects and goes on.
//
// Beyond the standard library the package takes golang.org/x/sys, for what its pool asks of Linux.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// A Request is one attempt at one task, as the task's function sees it. The function must not change it: the
// worker reads the same headers when it sends a retry.
type Request struct {
	ID          string
	Task        string
	Queue       string
	Args        []json.RawMessage          // see Arg for decoding
	Kwargs      map[string]json.RawMessage // nil when there are none
	Headers     map[string]any             // all of the message's headers, unknown ones too
	Retries     int                        // how often the task asked for a retry before this attempt
	Redelivered bool                       // the broker handed the message out before, or a pool child died over it
	Attempt     uint64                     // names this attempt among all attempts of all workers
	ETA         time.Time                  // zero when the task might run at once

	send  func(brokers.Message) error // see Send; nil where tasks cannot publish
	mu    sync.Mutex
	over  bool           // the function has returned
	sends sync.WaitGroup // that are under way
}

// Arg decodes positional argument i, in the JSON dialect of Celery. An argument that is not there is an error.
func (r *Request) Arg(i int, into any) error {
	if i >= len(r.Args) {
		return fmt.Errorf("task %s: there are %d arguments, and number %d was asked for", r.Task, len(r.Args), i)
	}
	if err := message.Unmarshal(r.Args[i], into); err != nil {
		return fmt.Errorf("task %s: argument %d: %w", r.Task, i, err)
	}
	return nil
}

// Kwarg decodes a keyword argument like Arg does, and leaves into alone and returns false when there is none.
func (r *Request) Kwarg(name string, into any) (bool, error) {
	raw, ok := r.Kwargs[name]
	if !ok {
		return false, nil
	}
	if err := message.Unmarshal(raw, into); err != nil {
		return true, fmt.Errorf("task %s: argument %s: %w", r.Task, name, err)
	}
	return true, nil
}

// A Func is the body of a task. Its context ends when the worker gives the task up; the cause says why. The
// result must encode as JSON. A *RetryError asks for another attempt; a panic is an error with its stack.
type Func func(ctx context.Context, r *Request) (any, error)

// A RetryError asks that the same task (the same id) be tried again, one retry further, after the countdown.
type RetryError struct {
	After time.Duration
	Max   int   // retries beyond this become a failure with Cause; 0 is DefaultRetries, below 0 is no bound
	Cause error // may be nil
}

// DefaultRetries is how often a task is tried again when it does not say.
const DefaultRetries = 3

func (e *RetryError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("retry after %v", e.After)
	}
	return fmt.Sprintf("retry after %v: %v", e.After, e.Cause)
}

// Unwrap returns the Cause.
func (e *RetryError) Unwrap() error { return e.Cause }

// A Registry holds the tasks that a worker knows, by name. Fill it before a worker runs; pool children are
// processes of the same binary and must fill theirs the same way. The zero value is empty and ready.
type Registry struct {
	funcs   map[string]Func
	options map[string]*taskOptions
}

// Add makes a task known. A name that is taken already, or is empty, is a programming error: Add panics.
func (r *Registry) Add(name string, f Func, opts ...TaskOption) {
	if _, taken := r.funcs[name]; taken || name == "" || f == nil {
		panic(fmt.Sprintf("worker: task name %q is empty or taken, or its function is nil", name))
	}
	if r.funcs == nil {
		r.funcs, r.options = make(map[string]Func), make(map[string]*taskOptions)
		r.addLocal()
	}
	o := &taskOptions{}
	for _, opt := range opts {
		opt(o)
	}
	r.funcs[name], r.options[name] = o.wrap(f), o
}

// Names lists the known tasks in order, but for those that every worker knows.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.funcs))
	for name := range r.funcs {
		if !builtin(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
