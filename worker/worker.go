// Package worker is a task queue worker that speaks Celery's message format: it takes messages from a broker,
// runs the tasks that they name in a pool, and settles each by its acknowledgement policy.
package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"taskbench/brokers"
)

// A Request is one attempt at one task, as the task's function sees it.
type Request struct {
	ID          string
	Task        string
	Queue       string
	Args        []json.RawMessage
	Kwargs      map[string]json.RawMessage
	Headers     map[string]any // all of the message's headers, unknown ones too
	Retries     int            // how often the task asked for a retry before this attempt
	Redelivered bool           // the broker handed the message out before
	Attempt     uint64         // names this attempt among all attempts of all workers
	ETA         time.Time      // zero when the task may run at once
}

// A Func is the body of a task. Its context ends when the worker gives the task up; the cause says why.
// The result must encode as JSON. A *RetryError asks for another attempt.
type Func func(ctx context.Context, r *Request) (any, error)

// A RetryError asks that the same task (the same id) be tried again, one retry further, after the countdown.
type RetryError struct {
	After time.Duration
	Max   int // retries beyond this become a failure with Cause
	Cause error
}

// A Registry holds the tasks that a worker knows, by name. Fill it before a worker runs; pool children
// are processes of the same binary and must fill theirs the same way.
type Registry struct{ funcs map[string]Func }

// AckPolicy is when a message is acknowledged.
type AckPolicy string

// Early acknowledges when an attempt starts (a killed worker loses it); Late when it has finished
// (a killed worker's task is run again).
const (
	Early AckPolicy = "early"
	Late  AckPolicy = "late"
)

// Config is everything about a worker. It travels as JSON from whoever starts worker processes.
type Config struct {
	Name        string        `json:"name"`   // node name
	Broker      string        `json:"broker"` // driver name
	Variant     string        `json:"variant"`
	URL         string        `json:"url"`
	Queues      []string      `json:"queues"`
	Pool        string        `json:"pool"`        // solo, goroutine, prefork
	Concurrency int           `json:"concurrency"` // tasks at a time
	Prefetch    int           `json:"prefetch"`    // unsettled messages held; 0 is 4 times the concurrency
	Acks        AckPolicy     `json:"acks"`
	MaxTasks    int           `json:"max_tasks_per_child"`  // prefork: a child is replaced after so many tasks; 0 never
	MaxMemory   int64         `json:"max_memory_per_child"` // prefork: bytes of RSS after a task; 0 never
	MaxAttempts int           `json:"max_attempts"`         // starts of one message that killed their child, before it is dead-lettered; 0 is 5
	Grace       time.Duration `json:"grace"`                // how long a warm stop waits for running tasks; 0 waits for ever
}

// An Event is one step in the life of one attempt. Observers get it on the goroutine (and, with prefork, in the
// process) where it happened, before the worker goes on.
type Event struct {
	Kind    EventKind
	ID      string // the task's id; may be empty when the message could not be read
	Attempt uint64
	Outcome Outcome // for Finished and Settled
	PID     int     // of the process that ran the attempt, when it is not this one: a lost child's
}

// EventKind is the step; Outcome how it went.
type (
	EventKind uint8
	Outcome   uint8
)

// The steps of an attempt, in order. Malformed stands for a message that could not be read or names no known
// task; it is kept aside in the dead letter queue. Returned is a message given back to the broker unrun.
const (
	Received EventKind = 1 + iota
	Started
	Finished
	Acked
	Stored // result visible
	Returned
	Malformed
)

// How an attempt finished. Retried attempts are not the end of their task; killed ones never came to theirs.
const (
	OK Outcome = 1 + iota
	Failed
	Retried
	TimedOut
	Killed
)

// An Observer is told every event, from many goroutines at once. What it has been told must survive the SIGKILL
// of its process if it is to serve as evidence.
type Observer interface{ Observe(Event) }

// Options are what a worker is given in code rather than by configuration.
type Options struct {
	Registry *Registry
	Driver   brokers.Driver
	Observer Observer // nil: nobody watches
	Log      *slog.Logger
}
