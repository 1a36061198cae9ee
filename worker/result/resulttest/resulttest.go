// Package resulttest holds result backends to their contract, as clauses that name no backend.
package resulttest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

// A Subject is a backend to be held to the contract.
type Subject struct {
	// Open opens one more connection. All opened with one subject keep the same results.
	Open func(ctx context.Context, o result.Options) (result.Backend, error)

	// Kill and Up end and start the server; nil where there is none. What was stored may be lost in between.
	Kill func()
	Up   func(ctx context.Context) error

	Lossy  bool     // what is sent to a client that has lost its connection is lost
	Slow   bool     // what was stored is there a little later
	Plain  bool     // expiry is the client's
	Absent []string // parts of a record that the backend does not keep: children, group, parent, done, extended, start
}

// Traits that a clause may need.
const (
	Restarts = "restarts"
	Groups   = "groups"
	Counter  = "counter"
	Claimer  = "claimer"
	Expiry   = "expiry"
)

// A Clause is one part of the contract.
type Clause struct {
	Name  string
	Why   string   // it matters
	Needs []string // traits
	Check func(ctx context.Context, e *Env) error
}

// Clauses is the contract.
func Clauses() []Clause {
	return append(append(recordClauses(), waitClauses()...), append(lifeClauses(), append(chordClauses(), claimClauses()...)...)...)
}

// Run holds the subject to every clause, each a subtest. A clause that needs what the backend does not have is said
// to be unfit.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			fits, err := Check(t.Context(), s, c)
			switch {
			case err != nil:
				t.Errorf("%v\n\twhich matters because: %s", err, c.Why)
			case !fits:
				t.Logf("does not apply: it needs %q", c.Needs)
			}
		})
	}
}

// Check holds the subject to one clause, and tells whether it applies.
func Check(ctx context.Context, s Subject, c Clause) (fits bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	e := &Env{Subject: s, clause: c.Name}
	defer func() { err = errors.Join(err, e.close()) }()
	if e.Backend, err = e.Open(ctx, result.Options{}); err != nil {
		return true, err
	}
	for _, need := range c.Needs {
		if !e.has(need) {
			return false, nil
		}
	}
	return true, c.Check(ctx, e)
}

// An Env is what a clause works with.
type Env struct {
	Subject Subject
	Backend result.Backend // open, of this clause's own
	clause  string
	opened  []result.Backend
}

// Open opens one more connection, which is closed when the clause ends.
func (e *Env) Open(ctx context.Context, o result.Options) (result.Backend, error) {
	b, err := e.Subject.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	e.opened = append(e.opened, b)
	return b, nil
}

func (e *Env) close() (err error) {
	for _, b := range e.opened {
		err = errors.Join(err, b.Close())
	}
	return err
}

func (e *Env) has(trait string) (ok bool) {
	switch trait {
	case Restarts:
		return e.Subject.Kill != nil
	case Groups:
		_, ok = e.Backend.(result.Groups)
	case Counter:
		_, ok = e.Backend.(result.Counter)
	case Claimer:
		_, ok = e.Backend.(result.Claimer)
	case Expiry:
		return !e.Subject.Plain
	}
	return ok
}

func (e *Env) keeps(part string) bool {
	for _, absent := range e.Subject.Absent {
		if absent == part {
			return false
		}
	}
	return true
}

// id names a task of this clause and this run alone.
func (e *Env) id(name string) string {
	return e.clause + "-" + name + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

const (
	soon  = 10 * time.Second       // how long something that must happen may take
	quiet = 300 * time.Millisecond // how long nothing must happen before we believe that it never will
)

// get returns the record once it is in the state, which is at once but where the subject is slow.
func (e *Env) get(ctx context.Context, b result.Backend, id string, want result.State) (r result.Record, err error) {
	look := func() error {
		if r, err = b.Get(ctx, id); err != nil {
			return err
		}
		if r.TaskID != id || r.State != want {
			return fmt.Errorf("task %s is %q in state %s, want %s", id, r.TaskID, r.State, want)
		}
		return nil
	}
	if !e.Subject.Slow {
		return r, look()
	}
	return r, servertest.Until(ctx, soon, look)
}

// tidy forgets tasks base0 and so on, since some servers look at all that they hold.
func (e *Env) tidy(ctx context.Context, base string, n int) error {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(base, i)
	}
	return e.Backend.Forget(ctx, ids...)
}

// success is the record of a task that returned value.
func success(id, value string) result.Record {
	return result.Record{TaskID: id, State: result.Success, Value: []byte(value)}
}

func failure(id, text string) result.Record {
	return result.Record{TaskID: id, State: result.Failure, Exception: result.NewException(result.Builtins, "ValueError", text)}
}
