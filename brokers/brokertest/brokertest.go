// Package brokertest holds brokers to their contract. The contract is a table of clauses, each with the reason that it
// is there and the promises that it presumes; Run applies those that fit to one broker. It needs no testing.T, so that
// a command can examine a real server with it as well as a test can.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
)

// A Clause is one thing that the contract demands.
type Clause struct {
	Name  string
	Why   string            // what goes wrong for users of a broker that breaks it
	Needs []brokers.Promise // promises of the variant without which the clause does not apply
	Hooks []Hook            // what must be possible with the subject
	Limit time.Duration     // how long the check may take; 0 is 30 s

	// Check returns what is wrong, or nil. It uses queues of its own.
	Check func(ctx context.Context, e *Env) error
}

// A Hook is a way to hurt the subject.
type Hook string

// The hooks: fields of Subject, but for Server, which asks only that the broker is not a library.
const (
	Server  Hook = "server"
	Restart Hook = "restart"
	Break   Hook = "break"
	Silence Hook = "silence"
	Vanish  Hook = "vanish"
)

// A Subject is what is examined. Hooks may be nil; the clauses that need them are then not applied.
type Subject struct {
	Driver  brokers.Driver
	Variant brokers.Variant
	URL     string

	Restart func(ctx context.Context) error // SIGKILLs the server and starts it again with its data
	Break   func(ctx context.Context) error // cuts every client's link; new links work

	// Silence freezes every link, old and new: nothing passes and nobody is told. Restore thaws them.
	Silence func(ctx context.Context) (restore func(), err error)

	// Vanish lets another process take one message from the queue, and kills it before it settles it.
	Vanish func(ctx context.Context, queue string) error
}

// A ClauseResult is how one clause went with one subject.
type ClauseResult struct {
	Clause  Clause
	Unfit   string // why the clause was not applied; "" when it was
	Err     error  // what is wrong with the subject
	Elapsed time.Duration
}

// Clauses returns the whole contract, in the order in which Run applies it.
func Clauses() []Clause {
	return slices.Concat(carriage, order, consumption, settlement, publishing, counting, exchanges, delaying, doubt, outages)
}

// Run applies every clause to the subject, one after the other, and reports each result as it is known. When ctx
// ends, the clauses that are left are reported as failed with its error.
func Run(ctx context.Context, s Subject, report func(ClauseResult)) {
	for _, c := range Clauses() {
		report(Apply(ctx, s, c))
	}
}

// Apply applies one clause to the subject.
func Apply(ctx context.Context, s Subject, c Clause) ClauseResult {
	r := ClauseResult{Clause: c, Unfit: s.unfit(c)}
	if r.Unfit != "" {
		return r
	}
	limit := c.Limit
	if limit == 0 {
		limit = 30 * time.Second
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.check(ctx, c) }()
	hung := time.NewTimer(limit + patience)
	defer hung.Stop()
	select {
	case r.Err = <-done:
	case <-hung.C:
		r.Err = fmt.Errorf("hangs: a call has not returned %v after its context's end", patience)
	}
	r.Elapsed = time.Since(began)
	return r
}

func (s Subject) check(ctx context.Context, c Clause) error {
	e := &Env{Subject: s, prefix: fmt.Sprintf("%s-%d", c.Name, time.Now().UnixNano())}
	b, err := e.Open(ctx)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	e.Broker = b
	return errors.Join(c.Check(ctx, e), e.close())
}

// Unfit says why a clause does not apply to a variant of a driver, whatever hooks there are, or "".
func Unfit(c Clause, d brokers.Driver, v brokers.Variant) string {
	for _, p := range c.Needs {
		if !v.Promised(p) {
			return "no " + string(p)
		}
	}
	for _, h := range c.Hooks {
		if d.Server.Library && h != Vanish {
			return "library"
		}
	}
	return ""
}

func (s Subject) unfit(c Clause) string {
	if why := Unfit(c, s.Driver, s.Variant); why != "" {
		return why
	}
	has := map[Hook]bool{
		Server: true, Restart: s.Restart != nil, Break: s.Break != nil, Silence: s.Silence != nil, Vanish: s.Vanish != nil,
	}
	for _, h := range c.Hooks {
		if !has[h] {
			return fmt.Sprintf("no way to %s it", h)
		}
	}
	return ""
}
