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
	Lease bool              // it does not apply to a variant without a lease
	Hooks []Hook            // what must be possible with the subject
	Limit time.Duration     // how long the check may take; 0 is 30 s
	Waits bool              // the check mostly waits, and hurts nobody: Run applies it beside the others that do not

	// Check returns what is wrong, or nil. It uses queues of its own.
	Check func(ctx context.Context, e *Env) error
}

// A Hook is a way to hurt the subject.
type Hook string

// The hooks: fields of Subject, but for Server, which asks only that the broker is not a library.
const (
	Server  Hook = "server"
	Kill    Hook = "kill"
	Break   Hook = "break"
	Silence Hook = "silence"
	Vanish  Hook = "vanish"
	Stall   Hook = "stall"
)

// A Subject is what is examined. Hooks may be nil; the clauses that need them are then not applied.
type Subject struct {
	Driver  brokers.Driver
	Variant brokers.Variant
	URL     string

	Break func(ctx context.Context) error // cuts every client's link; new links work

	// Kill SIGKILLs the server, which is gone when it returns. Start starts it again with its data.
	Kill func(ctx context.Context) (start func(ctx context.Context) error, err error)

	// Silence freezes every link, old and new: nothing passes and nobody is told. Restore thaws them.
	Silence func(ctx context.Context) (restore func(), err error)

	// Vanish lets another process take one message from the queue, and kills it before it settles it.
	Vanish func(ctx context.Context, queue string) error

	// Stall lets another process take one message from the queue, and stops it there: its links stay open, and it says
	// nothing more. End kills it; a second call does nothing.
	Stall func(ctx context.Context, queue string) (end func() error, err error)
}

// A ClauseResult is how one clause went with one subject.
type ClauseResult struct {
	Clause  Clause
	Unfit   string // why the clause was not applied; "" when it was
	Err     error  // what is wrong with the subject
	Elapsed time.Duration
}

// Clauses returns the whole contract, in the order in which Run applies it: first those that hurt nothing.
func Clauses() []Clause {
	all := slices.Concat(carriage, order, consumption, settlement, publishing, counting, exchanges, delaying, leasing, doubt, outages)
	slices.SortStableFunc(all, func(a, b Clause) int {
		switch {
		case a.hurts() == b.hurts():
			return 0
		case b.hurts():
			return -1
		}
		return 1
	})
	return all
}

// hurts tells whether the check does something to the server, or to the links of others.
func (c Clause) hurts() bool {
	return slices.ContainsFunc(c.Hooks, func(h Hook) bool { return h == Kill || h == Break || h == Silence })
}

// Run applies every clause to the subject, one after the other, but for those that mostly wait, and reports each result in
// their order, from its own goroutine. When ctx ends, the clauses that are left are reported as failed with its error.
func Run(ctx context.Context, s Subject, report func(ClauseResult)) {
	beside := make(map[string]chan ClauseResult)
	for _, c := range Clauses() {
		if c.Waits {
			result := make(chan ClauseResult, 1)
			beside[c.Name] = result
			go func() { result <- Apply(ctx, s, c) }()
		}
	}
	for _, c := range Clauses() {
		if result, waits := beside[c.Name]; waits {
			report(<-result)
		} else {
			report(Apply(ctx, s, c))
		}
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
	if c.Lease && v.Lease == 0 {
		return "no lease"
	}
	for _, h := range c.Hooks {
		if d.Server.Library && h != Vanish && h != Stall {
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
		Server: true, Kill: s.Kill != nil, Break: s.Break != nil, Silence: s.Silence != nil, Vanish: s.Vanish != nil, Stall: s.Stall != nil,
	}
	for _, h := range c.Hooks {
		if !has[h] {
			return fmt.Sprintf("no way to %s it", h)
		}
	}
	return ""
}
