// Package lucktest holds brokers to what they owe whoever gives them bad input, or has bad luck with a server. It is one
// table of clauses; what differs between brokers, as how a server is made to refuse, each driver's tests say in a Subject.
package lucktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// Secret is the password in the URLs of a Subject. No error may show it.
const Secret = betrayed + "%t"

// betrayed is what shows the password, encoded as in a URL or not.
const betrayed = "s3cr"

// URL makes the URLs of a Subject: with a user whose password is Secret, and what there is of path and query.
func URL(scheme, path, query string) func(addr string) string {
	return func(addr string) string {
		u := url.URL{Scheme: scheme, User: url.UserPassword("me", Secret), Host: addr, Path: path, RawQuery: query}
		return u.String()
	}
}

// A Clause is one kind of bad luck, and what a driver owes then.
type Clause struct {
	Name  string
	Why   string // what goes wrong for users of a driver that breaks it
	Check func(ctx context.Context, s Subject) error

	unfit func(s Subject) bool // whether the subject says nothing that the clause could be applied with
}

// A Subject is a driver, and what there is to know of its broker.
type Subject struct {
	Driver  brokers.Driver
	Variant brokers.Variant

	// URL is that of a server at an address, with a user and Secret, percent-encoded, where the broker has users.
	URL func(addr string) string

	// Foreign is what the driver's error has to say where another kind of server answers.
	Foreign string

	// Encryption says how links are encrypted; nil where they are not.
	Encryption *Encryption

	// Start fills in what follows, with a server that Run has it start after the clauses that need none. Nil does nothing.
	Start func(t *testing.T, s *Subject)

	// Refusals are the ways to be refused, by the name of the clause that is about them.
	Refusals map[string]Refusal

	// Server is the URL of a server that works, as the variant needs it; "" for none.
	Server string

	// Apart starts a server whose clock is so far ahead of this process's, or behind it, and returns its URL. Nil for none.
	Apart func(ahead time.Duration) (url string)

	// Forgets says that the server may forget to end a lease: of many that are over one has to end, where else each has.
	Forgets bool

	// Elsewhere says of each clause that is not applied why that is: the test that is about it, or what makes it impossible.
	Elsewhere map[string]string
}

// A Refusal is what a server has against what it is asked.
type Refusal struct {
	Advice string                          // what the error has to say to do
	Meet   func(ctx context.Context) error // has the driver refused, and returns its error
	Unsure bool                            // the server may have done it for all that: the error must not be Definite
}

// Clauses returns all of them, in the order in which Run applies them. The slice is the caller's.
func Clauses() []Clause { return slices.Concat(strangers, refusals, endurance) }

// Run applies every clause to a subject, each as a test of its name. One that is not applied, and of which the subject does
// not say why, is a failure. In the embedded lab those that need a server are skipped.
func Run(t *testing.T, s Subject) {
	t.Helper()
	s.run(t, strangers)
	if s.Start != nil {
		servertest.Needed(t)
		s.Start(t, &s)
	}
	s.run(t, refusals)
	s.run(t, endurance)
	names := map[string]bool{}
	for _, c := range Clauses() {
		names[c.Name] = true
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(s.Refusals)), slices.Collect(maps.Keys(s.Elsewhere))) {
		if !names[name] {
			t.Errorf("there is no clause %q", name)
		}
	}
}

func (s Subject) run(t *testing.T, clauses []Clause) {
	t.Helper()
	for _, c := range clauses {
		unfit, why := c.unfit(s), s.Elsewhere[c.Name]
		if unfit != (why != "") {
			t.Errorf("clause %s: nothing to apply it with: %v, and said to be elsewhere: %q", c.Name, unfit, why)
		}
		if unfit {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if err := Apply(t.Context(), s, c); err != nil {
				t.Errorf("%v\n\twhich matters because: %s", err, c.Why)
			}
		})
	}
}

// limit bounds a clause, with a while for each large message, and hung is how long after its context's end a driver may
// take to return.
const (
	limit = time.Minute
	while = 100 * time.Millisecond
	hung  = 3 * time.Second
)

// Apply applies one clause, and returns what is wrong.
func Apply(ctx context.Context, s Subject, c Clause) error {
	ctx, cancel := context.WithTimeout(ctx, limit+time.Duration(*backlog)*while)
	defer cancel()
	return c.Check(ctx, s)
}

// soon is how long a driver may take to say that it is refused.
const soon = 5 * time.Second

// ask opens a broker, and asks whether the server is ready, and returns both errors. Neither may outlast its context.
func (s Subject) ask(ctx context.Context, at string) (open, ready, err error) {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	opened, asked := make(chan error, 1), make(chan error, 1)
	go func() { opened <- s.opened(ctx, at) }()
	go func() {
		_, err := s.Driver.Server.Ready(ctx, at)
		asked <- err
	}()
	late := time.NewTimer(soon + hung)
	defer late.Stop()
	for range 2 {
		select {
		case open = <-opened:
		case ready = <-asked:
		case <-late.C:
			return nil, nil, fmt.Errorf("open or ready has not returned %v after its context's end", hung)
		}
	}
	return open, ready, nil
}

// together makes checks at the same time, each with its name.
func together(checks map[string]func() error) error {
	outcomes := make(chan error)
	for name, check := range checks {
		go func() {
			if err := check(); err != nil {
				outcomes <- fmt.Errorf("%s: %w", name, err)
				return
			}
			outcomes <- nil
		}()
	}
	var err error
	for range checks {
		err = errors.Join(err, <-outcomes)
	}
	return err
}

// opened is what goes wrong with opening it, nil where nothing does.
func (s Subject) opened(ctx context.Context, at string) error {
	b, err := s.Driver.Open(ctx, at, s.Variant)
	if err != nil {
		return err
	}
	return b.Close()
}

// operations are the words for what was being done.
var operations = []string{"open ", "connect to ", "publish ", "consume ", "ask ", "claim ", "set up ", "declare "}

// judge says what is wrong with an error of a driver that was refused: it must be Definite, name the broker and what was
// being done, say what to do, in one line, and keep the secret.
func (s Subject) judge(err error, advice ...string) error { return Judge(s.Driver, err, advice...) }

// Judge is what the clauses judge errors by, for tests that have more ways to be refused than there are clauses.
func Judge(d brokers.Driver, err error, advice ...string) error {
	if err := worded(d, err, advice...); err != nil {
		return err
	}
	if !brokers.Definite(err) {
		return fmt.Errorf("%w, want a Definite error", err)
	}
	return nil
}

// worded says what is wrong with the words of an error.
func worded(d brokers.Driver, err error, advice ...string) error {
	if err == nil {
		return errors.New("there is no error")
	}
	text := err.Error()
	if strings.Contains(fmt.Sprintf("%v %+v %q %#v", err, err, err, err), betrayed) {
		return fmt.Errorf("the password is shown: %s", strings.ReplaceAll(text, betrayed, "(the password)"))
	}
	switch {
	case !strings.Contains(strings.ToLower(text), d.Name):
		return fmt.Errorf("%w, want the broker's name in it", err)
	case !slices.ContainsFunc(operations, func(word string) bool { return strings.Contains(text, word) }):
		return fmt.Errorf("%w, want what was being done in it", err)
	case strings.Contains(text, "\n"):
		return fmt.Errorf("%w, want one line", err)
	}
	for _, words := range advice {
		if !strings.Contains(text, words) {
			return fmt.Errorf("%w, want what to do in it: %q", err, words)
		}
	}
	return nil
}
