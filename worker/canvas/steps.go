package canvas

import (
	"encoding/json"
	"fmt"
	"slices"
)

// join adds a step to the steps of a chain, and keeps to Celery's rules on what becomes of it there: see Chain.
func join(steps []Signature, next Signature) []Signature {
	switch {
	case next.err != nil:
		return append(steps, next)
	case next.Kind == KindChain:
		return joinAll(steps, chainSteps(next))
	case next.Kind == "" && next.Task == taskChunks:
		return join(steps, chunked(next))
	case chained(next):
		return joinAll(steps, unchained(next))
	case next.Kind == KindGroup:
		next.Tasks = flat(next.Tasks)
		if len(next.Tasks) == 0 {
			return steps
		}
		if len(next.Tasks) == 1 {
			return join(steps, alone(next))
		}
	}
	if len(steps) == 0 {
		return []Signature{next}
	}
	before := &steps[len(steps)-1]
	switch {
	case before.Kind == KindGroup:
		*before = upgraded(*before, next)
		return steps
	case before.Kind == KindChord && next.Kind != KindChord && before.Body != nil:
		body := then(*before.Body, next)
		before.Body = &body
		return steps
	}
	return append(steps, next)
}

func joinAll(steps, more []Signature) []Signature {
	for _, m := range more {
		steps = join(steps, m)
	}
	return steps
}

// then is a signature with a step after it. Other than a step of a chain, a group of one stays a group here.
func then(s, next Signature) Signature {
	if s.Kind == KindGroup {
		s.Tasks = flat(s.Tasks)
		return single(join([]Signature{s}, next))
	}
	return single(join(join(nil, s), next))
}

// single is one signature for the steps.
func single(steps []Signature) Signature {
	if len(steps) == 1 {
		return steps[0]
	}
	return Signature{Task: taskChain, Kind: KindChain, Tasks: steps}
}

// upgraded is the chord whose header is a group and whose body is what comes after it.
func upgraded(group, body Signature) Signature {
	c := Chord(group.Tasks, body)
	c.err = group.err
	if gid, ok := group.Options["task_id"]; ok {
		c.Options = map[string]json.RawMessage{"task_id": gid}
	}
	return c
}

// flat lists the members of a group, with those of the groups in it.
func flat(members []Signature) []Signature {
	nested := func(m Signature) bool {
		return m.Kind == KindGroup || m.Task == taskChunks && m.Kind == "" || m.Kind == KindChain && len(m.Tasks) == 0
	}
	if !slices.ContainsFunc(members, nested) {
		return members
	}
	var all []Signature
	for _, m := range members {
		if m.Task == taskChunks && m.Kind == "" {
			m = chunked(m)
		}
		switch {
		case m.err != nil, !nested(m):
			all = append(all, m)
		case m.Kind == KindGroup:
			all = append(all, flat(m.Tasks)...)
		}
	}
	return all
}

// alone is the only member of a group, which stands for the group.
func alone(group Signature) Signature {
	m := group.Tasks[0]
	for _, name := range [...]string{"chord", "group_id", "group_index"} {
		if raw, ok := group.Options[name]; ok {
			m = m.option(name, raw)
		}
	}
	return m
}

// chainSteps are the steps of a chain, with what the chain itself was given spread over them: errbacks to all, what
// concerns its result to the last, the rest to the first.
func chainSteps(chain Signature) []Signature {
	var steps []Signature
	for _, t := range chain.Tasks {
		steps = join(steps, t)
	}
	if len(steps) == 0 {
		return nil
	}
	steps = slices.Clone(steps)
	first, last := &steps[0], &steps[len(steps)-1]
	if len(chain.Args) > 0 && !chain.Immutable {
		*first = first.prepend(chain.Args)
	}
	if chain.Immutable {
		*first = first.SI()
	}
	for name, raw := range chain.Options {
		switch name {
		case "link":
			*last = last.Link(parsed(raw)...)
		case "link_error":
			for i := range steps {
				steps[i] = steps[i].LinkError(parsed(raw)...)
			}
		case "task_id", "chord", "group_id", "group_index":
			*last = last.final(name, raw)
		case "chain":
		default:
			*first = first.option(name, raw)
		}
	}
	after := parsed(chain.Options["chain"])
	slices.Reverse(after)
	return joinAll(steps, after)
}

// chained tells whether a task's options hold what comes after it.
func chained(s Signature) bool {
	rest, err := list(s.Options["chain"])
	return s.Kind == "" && (len(rest) > 0 || err != nil)
}

// unchained is a task and the chain that its options hold, as steps.
func unchained(s Signature) []Signature {
	rest := parsed(s.Options["chain"])
	slices.Reverse(rest)
	return append([]Signature{s.option("chain", nil)}, rest...)
}

// parsed are the signatures of a list; one that cannot be read has an error in it.
func parsed(raw json.RawMessage) []Signature {
	raws, err := list(raw)
	if err != nil {
		return []Signature{Signature{}.fail(fmt.Errorf("%w: no list of tasks: %w", ErrSignature, err))}
	}
	all := make([]Signature, 0, len(raws))
	for _, raw := range raws {
		s, err := Parse(raw)
		all = append(all, s.fail(err))
	}
	return all
}

// final sets an option on the task whose result is the signature's.
func (s Signature) final(name string, raw json.RawMessage) Signature {
	switch {
	case s.Kind == KindChain && len(s.Tasks) > 0:
		s.Tasks = slices.Clone(s.Tasks)
		last := &s.Tasks[len(s.Tasks)-1]
		*last = last.final(name, raw)
		return s
	case s.Kind == KindChord && s.Body != nil:
		body := s.Body.final(name, raw)
		s.Body = &body
		return s
	}
	return s.option(name, raw)
}

// first sets an option on the task that a signature begins with, or on the group of them.
func (s Signature) first(name string, raw json.RawMessage) Signature {
	if s.Kind == KindChain && len(s.Tasks) > 0 {
		s.Tasks = slices.Clone(s.Tasks)
		s.Tasks[0] = s.Tasks[0].first(name, raw)
		return s
	}
	return s.option(name, raw)
}

// prepend gives the signature arguments before its own; an immutable one takes none.
func (s Signature) prepend(args []json.RawMessage) Signature {
	if !s.Immutable {
		s.Args = slices.Concat(args, s.Args)
	}
	return s
}

// deep tells whether the signature nests beyond the bound.
func (s Signature) deep(left int) bool {
	if left <= 0 {
		return true
	}
	if s.Body != nil && s.Body.deep(left-1) {
		return true
	}
	return slices.ContainsFunc(s.Tasks, func(t Signature) bool { return t.deep(left - 1) })
}
