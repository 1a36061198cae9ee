package canvas

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"taskbench/worker/message"
)

// A Kind is what a signature is made of, by Celery's name of it.
type Kind string

// The kinds. A Signature of no kind is one task; map, starmap and chunks are such, with names of their own.
const (
	KindChain Kind = "chain"
	KindGroup Kind = "group"
	KindChord Kind = "chord"
)

// A Signature is a call that was not made yet: of one task, or of several that are composed. It is a value: methods
// return a changed copy and leave the receiver alone. Members of these types are for reading; make signatures with
// Sig and the functions that compose, or with Parse.
//
// What cannot be encoded is remembered, and comes back as the error of whatever uses the signature.
type Signature struct {
	Task      string
	Args      []json.RawMessage
	Kwargs    map[string]json.RawMessage // of a composition: without what Tasks and Body hold
	Options   map[string]json.RawMessage // by the names that Celery's apply_async has for them
	Kind      Kind
	Immutable bool // takes no arguments from whoever comes before it

	Tasks []Signature // steps of a chain, members of a group, header of a chord
	Body  *Signature  // of a chord

	Extra map[string]json.RawMessage // members that this package does not know

	header *Signature // the group that a chord's header came as, without its tasks; nil when it came as a list
	err    error
}

// Sig is a call of a task by its name. Arguments that come from the task before it, if any, stand before args.
func Sig(task string, args ...any) Signature {
	s := Signature{Task: task}
	if task == "" {
		s.err = fmt.Errorf("%w: a task without a name", ErrSignature)
	}
	for i, a := range args {
		raw, err := message.Encode(a)
		if err != nil && s.err == nil {
			s.err = fmt.Errorf("%w: argument %d of task %s: %w", ErrSignature, i, task, err)
		}
		s.Args = append(s.Args, raw)
	}
	return s
}

// Kw adds a keyword argument. For a composition it has no meaning and is an error.
func (s Signature) Kw(name string, value any) Signature {
	if s.Kind != "" {
		return s.fail(fmt.Errorf("%w: a %s takes no keyword arguments: give them to its tasks", ErrSignature, s.Kind))
	}
	raw, err := message.Encode(value)
	if err != nil {
		return s.fail(fmt.Errorf("%w: argument %s of task %s: %w", ErrSignature, name, s.Task, err))
	}
	s.Kwargs = with(s.Kwargs, name, raw)
	return s
}

// SI makes the signature immutable: it ignores the result of what comes before it. Of a group and of a chord this
// holds for the members that get that result.
func (s Signature) SI() Signature {
	s.Immutable = true
	if s.Kind == KindGroup || s.Kind == KindChord {
		s.Tasks = slices.Clone(s.Tasks)
		for i, t := range s.Tasks {
			s.Tasks[i] = t.SI()
		}
	}
	return s
}

// Link adds tasks that are sent when this one has succeeded, with its result. For a chain that is its last task,
// and for a chord its body. A group has no one result: an error; make it the header of a Chord.
func (s Signature) Link(callbacks ...Signature) Signature {
	switch s.Kind {
	case KindGroup:
		return s.fail(fmt.Errorf("%w: a group has no result to call back with: make it the header of a chord", ErrSignature))
	case KindChord:
		return s.withBody(func(b Signature) Signature { return b.Link(callbacks...) })
	}
	return s.extend("link", callbacks)
}

// LinkError adds tasks that are sent when this one has failed for good, with its id for an argument. For a chain and
// a group that holds for each of their tasks, and for a chord for its body, which fails with any of its header.
func (s Signature) LinkError(errbacks ...Signature) Signature {
	switch s.Kind {
	case KindGroup:
		s.Tasks = slices.Clone(s.Tasks)
		for i, t := range s.Tasks {
			s.Tasks[i] = t.LinkError(errbacks...)
		}
		return s
	case KindChord:
		return s.withBody(func(b Signature) Signature { return b.LinkError(errbacks...) })
	}
	return s.extend("link_error", errbacks)
}

// Err is what was wrong with the parts that the signature was made of.
func (s Signature) Err() error {
	if s.err != nil {
		return s.err
	}
	for _, t := range s.Tasks {
		if err := t.Err(); err != nil {
			return err
		}
	}
	if s.Body != nil {
		return s.Body.Err()
	}
	return nil
}

func (s Signature) fail(err error) Signature {
	if s.err == nil {
		s.err = err
	}
	return s
}

func (s Signature) withBody(change func(Signature) Signature) Signature {
	if s.Body == nil {
		return s.fail(errNoBody)
	}
	b := change(*s.Body)
	s.Body = &b
	return s
}

// extend adds signatures to an option that is a list of them.
func (s Signature) extend(option string, more []Signature) Signature {
	if len(more) == 0 {
		return s
	}
	list, err := list(s.Options[option])
	if err != nil {
		return s.fail(fmt.Errorf("%w: option %s of %s: %w", ErrSignature, option, s.Task, err))
	}
	for _, m := range more {
		if err := m.Err(); err != nil {
			return s.fail(err)
		}
		list = append(list, m.append(nil))
	}
	return s.option(option, appendList(nil, list))
}

// option sets an option, and removes it when raw is nil.
func (s Signature) option(name string, raw json.RawMessage) Signature {
	if raw == nil {
		s.Options = maps.Clone(s.Options)
		delete(s.Options, name)
		return s
	}
	s.Options = with(s.Options, name, raw)
	return s
}

// with is the map with one more member, in a copy.
func with(m map[string]json.RawMessage, name string, raw json.RawMessage) map[string]json.RawMessage {
	c := make(map[string]json.RawMessage, len(m)+1)
	maps.Copy(c, m)
	c[name] = raw
	return c
}

// list takes an option that is a list of signatures, or one of them alone, or null.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	if none(raw) {
		return nil, nil
	}
	if raw[0] == '{' {
		return []json.RawMessage{raw}, nil
	}
	return message.Elements(raw)
}

func none(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
