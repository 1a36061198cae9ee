package canvas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// A maker makes random workflows of tasks whose results tell what they were called with.
type maker struct {
	rng  *rand.Rand
	made int
}

func (m *maker) make(depth int) Signature {
	kind := m.rng.IntN(8)
	if depth <= 0 {
		kind = m.rng.IntN(3)
	}
	switch kind {
	case 4:
		return Chain(append([]Signature{m.task()}, m.several(1, 3, depth)...)...)
	case 5:
		return m.chain(m.several(1, 4, depth))
	case 6:
		return Group(m.several(1, 3, depth)...)
	case 7:
		return Chord(m.several(0, 3, depth), m.make(depth-1))
	case 3:
		return Chunks(Sig(m.name()), [][]int{{1, 2}, {3, 4}, {5, 6}}, 1+m.rng.IntN(3))
	}
	return m.task()
}

// chain makes one as a client of Celery might have written it: nothing is joined yet. Two things that do not begin
// a chain anywhere are left out: an empty group, which has no task, and a chord, whose arguments Celery drops.
func (m *maker) chain(steps []Signature) Signature {
	steps[0] = m.task()
	if len(steps) > 1 && m.rng.IntN(3) == 0 {
		steps[1] = Group()
	}
	return Signature{Task: taskChain, Kind: KindChain, Tasks: steps}
}

func (m *maker) several(least, most, depth int) []Signature {
	list := make([]Signature, least+m.rng.IntN(most-least+1))
	for i := range list {
		list[i] = m.make(depth - 1)
	}
	return list
}

func (m *maker) name() string { m.made++; return fmt.Sprint("t", m.made) }

func (m *maker) task() Signature {
	s := Sig(m.name(), m.rng.IntN(100))
	if m.rng.IntN(6) == 0 {
		s = s.SI()
	}
	if m.rng.IntN(8) == 0 {
		s = s.Link(Sig(m.name()))
	}
	if m.rng.IntN(8) == 0 {
		s = s.Link(Sig(m.name()).SI(), Chord([]Signature{Sig(m.name()), Sig(m.name())}, Sig(m.name())))
	}
	return s
}

// A calculator says what a workflow comes to, by what its parts mean and not by how they are sent.
type calculator struct{ calls map[string]bool }

// value is the result of a signature that gets in; a group's is a list.
func (c *calculator) value(s Signature, in []json.RawMessage) json.RawMessage {
	switch s.Kind {
	case KindChain:
		return c.chain(s, in)
	case KindGroup:
		return c.all(s.Tasks, in)
	case KindChord:
		return c.value(*s.Body, []json.RawMessage{c.all(s.Tasks, in)})
	}
	switch s.Task {
	case taskChunks:
		return c.all(chunked(s).Tasks, nil)
	case taskStarMap:
		return c.starmap(s)
	}
	args := s.Args
	if !s.Immutable {
		args = append(append([]json.RawMessage{}, in...), args...)
	}
	var v json.RawMessage
	if s.Task == taskAccumulate {
		v = args[0]
	} else {
		v = c.call(s.Task, args)
	}
	for _, cb := range parsed(s.Options["link"]) {
		c.value(cb, []json.RawMessage{v})
	}
	return v
}

func (c *calculator) call(task string, args []json.RawMessage) json.RawMessage {
	c.calls[called(task, args)] = true
	v, _ := digest(task, args)
	raw, _ := json.Marshal(v)
	return raw
}

// chain goes from step to step; in a chain, groups of one are their member, and empty ones are nothing.
func (c *calculator) chain(s Signature, in []json.RawMessage) json.RawMessage {
	var v json.RawMessage
	for _, step := range s.Tasks {
		step, skip := unwrapped(step)
		if skip {
			continue
		}
		v = c.value(step, in)
		in = []json.RawMessage{v}
	}
	return v
}

func unwrapped(s Signature) (_ Signature, nothing bool) {
	for {
		if s.Task == taskChunks {
			s = chunked(s)
		}
		if s.Kind != KindGroup {
			return s, false
		}
		members := members(s.Tasks)
		if len(members) != 1 {
			return s, len(members) == 0
		}
		s = members[0]
	}
}

// members are those of a group with the members of the groups in it.
func members(tasks []Signature) (all []Signature) {
	for _, t := range tasks {
		switch {
		case t.Kind == KindGroup:
			all = append(all, members(t.Tasks)...)
		case t.Task == taskChunks:
			all = append(all, chunked(t).Tasks...)
		default:
			all = append(all, t)
		}
	}
	return all
}

func (c *calculator) all(tasks []Signature, in []json.RawMessage) json.RawMessage {
	list := []json.RawMessage{}
	for _, t := range members(tasks) {
		list = append(list, c.value(t, in))
	}
	return appendList(nil, list)
}

func (c *calculator) starmap(s Signature) json.RawMessage {
	task, _ := Parse(s.Kwargs["task"])
	items, _ := decodeList(s.Kwargs["it"])
	list := []json.RawMessage{}
	for _, item := range items {
		args, _ := decodeList(item)
		list = append(list, c.call(task.Task, args))
	}
	return appendList(nil, list)
}
