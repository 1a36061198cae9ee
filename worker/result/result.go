// Package result is what becomes of tasks, as Celery's result backends keep it: the record of a task, the contract
// that every backend keeps, and the forms that both have on the wire. Each folder below it is one backend.
package result

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A State is where a task stands. Ready states are final but for a failure that a later success overrides.
type State string

// The states of Celery. A task that no record tells of is Pending.
const (
	Pending State = "PENDING"
	Started State = "STARTED"
	Retry   State = "RETRY"
	Success State = "SUCCESS"
	Failure State = "FAILURE"
	Revoked State = "REVOKED"
)

// Ready tells whether a task in this state will not change any more.
func (s State) Ready() bool { return s == Success || s == Failure || s == Revoked }

// A Record is what a backend knows of one task.
type Record struct {
	TaskID    string
	State     State
	Value     json.RawMessage   // the result of a success, in Celery's JSON; of STARTED {"pid", "hostname"}; else nil
	Exception *Exception        // of a failure, a retry, a revocation
	Children  []json.RawMessage // result tuples of the tasks that this one sent, as [[id, parent], children]
	Done      time.Time         // zero while it is not; Store fills it in for a state that is Ready
	GroupID   string
	ParentID  string
	Extended  *Extended // nil unless results are kept with what the task was called with

	ReplyTo       string // of the task's message, for backends that answer the sender; no other keeps them
	CorrelationID string // "" is the task's id
}

// Extended is what Celery adds under its setting result_extended.
type Extended struct {
	Name    string
	Args    json.RawMessage
	Kwargs  json.RawMessage
	Worker  string
	Retries int
	Queue   string
}

// An Exception is an error in the form in which Celery keeps it. As an error of a task's function it is kept as
// it is; any other error becomes one of type Exception in module builtins, with its text for an argument.
type Exception struct {
	Type      string            // the class, "ValueError"
	Module    string            // where Python finds it, "builtins"
	Args      []json.RawMessage // the arguments of the class
	Traceback string            // text for people; may be empty
}

// ErrNoGroup is returned for a group that was never saved, or is forgotten.
var ErrNoGroup = errors.New("no such group is saved")

// ErrRefused is in the error of Store for a record that the backend will never take, however often it is asked.
var ErrRefused = errors.New("the record will never be taken")

// A Backend keeps results. It is safe for concurrent use. Connections that are lost come back by themselves; an
// error of Store, but for ErrRefused, leaves it unknown whether the record was stored, and storing it again is harmless.
type Backend interface {
	// Store keeps a record under its task's id. A success that is stored already stays, and Store returns nil.
	Store(ctx context.Context, r Record) error

	// Get returns the record of now, of state Pending when there is none.
	Get(ctx context.Context, id string) (Record, error)

	// Wait returns the first record whose state is Ready, or the context's error.
	Wait(ctx context.Context, id string) (Record, error)

	// Forget removes the records of the tasks.
	Forget(ctx context.Context, ids ...string) error

	// Close drops the connection. A second call does nothing and returns nil.
	Close() error
}

// Groups is a Backend that keeps the members of a group, for a chord whose header holds groups and for
// clients that come back for a group by its id.
type Groups interface {
	SaveGroup(ctx context.Context, id string, tuple json.RawMessage) error
	Group(ctx context.Context, id string) (tuple json.RawMessage, err error) // ErrNoGroup when it was not saved
}

// A Claimer is a Backend that gives a task to one holder at a time, so that two copies of its message are not run at the
// same moment. Times are those of its server's clock.
type Claimer interface {
	// Claim gives the task to the holder for the time of life, or has a claim that it holds last so long from now.
	// While another has the task it changes nothing, and wait is how long until that claim lapses; else it is 0.
	Claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error)

	// Release ends the holder's claim. That of another stays.
	Release(ctx context.Context, id, holder string) error
}

// A Cleaner is a Backend whose server removes nothing by itself: the task celery.backend_cleanup calls it.
type Cleaner interface {
	// Cleanup removes what is older than the backend's expiry.
	Cleanup(ctx context.Context) error
}

// A Replier is a Backend whose results come to the sender of a task alone.
type Replier interface {
	// ReplyTo is what to send tasks with, so that their results come back here.
	ReplyTo() string
}

// A Part is the outcome of one member of a chord's header.
type Part struct {
	Group  string
	Index  int // position in the header; below 0 when it is not known
	TaskID string
	State  State           // Success or Failure
	Value  json.RawMessage // the result, or the exception as Encode writes it
}

// A Counter is a Backend that can count a chord's parts as they come, so that exactly one of those who report the
// last part is told. Others leave chords to the task celery.chord_unlock.
type Counter interface {
	// Expect says how many parts a chord has.
	Expect(ctx context.Context, group string, parts int) error

	// Report counts a part. When all are there it returns them in order to this caller, and to one that reports
	// the last part again because it cannot know whether it was heard; else nil.
	Report(ctx context.Context, p Part) ([]Part, error)

	// Done forgets the chord, once its body was sent.
	Done(ctx context.Context, group string) error
}
