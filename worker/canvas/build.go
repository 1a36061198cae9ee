package canvas

import (
	"encoding/json"
	"errors"
	"fmt"

	"taskbench/worker/message"
)

// ErrSignature marks errors of a signature itself: sending it again would fail again.
var ErrSignature = errors.New("bad signature")

var (
	errNoBody  = fmt.Errorf("%w: a chord without a body", ErrSignature)
	errNoSteps = fmt.Errorf("%w: a chain without steps", ErrSignature)
)

// Names of the tasks that every worker knows, for compositions that run as tasks.
const (
	taskChain      = "celery.chain"
	taskGroup      = "celery.group"
	taskChord      = "celery.chord"
	taskMap        = "celery.map"
	taskStarMap    = "celery.starmap"
	taskChunks     = "celery.chunks"
	taskAccumulate = "celery.accumulate"
	taskUnlock     = "celery.chord_unlock"
	taskCleanup    = "celery.backend_cleanup"
)

// Chain is tasks one after the other: each gets the result of the one before it, and the chain's result is that of
// the last. As in Celery, chains in a chain become part of it, a group of one is its member, an empty group is left
// out, and a group with a step after it becomes the header of a chord whose body is that step. A group that is the
// last step stays one. A chain without steps is an error.
func Chain(steps ...Signature) Signature {
	var tasks []Signature
	for _, s := range steps {
		tasks = join(tasks, s)
	}
	s := Signature{Task: taskChain, Kind: KindChain, Tasks: tasks}
	if len(tasks) == 0 {
		return s.fail(errNoSteps)
	}
	return s
}

// Group is tasks side by side: each gets the same arguments. Its result is the list of theirs. Members of a group in
// a group are members of the outer one, as in Celery.
func Group(members ...Signature) Signature {
	return Signature{Task: taskGroup, Kind: KindGroup, Tasks: members}
}

// Chord is a body that gets the list of the results of a header's tasks, once all of them have succeeded. If one
// fails, the body fails with a ChordError, without being run. Groups in the header are part of it, as in Celery; of
// a chain the last task counts, and of a chord its body. An empty header makes the body run at once, with an empty
// list.
func Chord(header []Signature, body Signature) Signature {
	return Signature{
		Task: taskChord, Kind: KindChord, Tasks: header, Body: &body,
		Kwargs: map[string]json.RawMessage{"kwargs": json.RawMessage("{}")},
	}
}

// Map is one task that calls the task for each of the items, one after the other in one process. Its result is the
// list of theirs. Arguments of the signature itself are not used.
func Map[T any](task Signature, items []T) Signature { return iterate(taskMap, task, items) }

// StarMap is Map where each item is the list of all arguments of one call.
func StarMap[T any](task Signature, items [][]T) Signature { return iterate(taskStarMap, task, items) }

// Chunks is a group of StarMap, of n calls each.
func Chunks[T any](task Signature, items [][]T, n int) Signature {
	s := iterate(taskChunks, task, items)
	if n < 1 {
		return s.fail(fmt.Errorf("%w: chunks of %d calls", ErrSignature, n))
	}
	raw, _ := message.Encode(n) // a number always encodes
	s.Kwargs["n"] = raw
	return s
}

func iterate[T any](name string, task Signature, items []T) Signature {
	s := Signature{Task: name, Immutable: true, Kwargs: map[string]json.RawMessage{}}
	if err := task.Err(); err != nil {
		return s.fail(err)
	}
	raws := make([]json.RawMessage, 0, len(items))
	for i, item := range items {
		raw, err := message.Encode(item)
		if err != nil {
			return s.fail(fmt.Errorf("%w: item %d for task %s: %w", ErrSignature, i, task.Task, err))
		}
		raws = append(raws, raw)
	}
	s.Kwargs["task"], s.Kwargs["it"] = task.append(nil), appendList(nil, raws)
	return s
}

// chunked is the group that a signature of celery.chunks stands for.
func chunked(s Signature) Signature {
	items, err := message.Elements(s.Kwargs["it"])
	n, ok := decodeInt(s.Kwargs["n"])
	if err != nil || !ok || n < 1 {
		return s.fail(fmt.Errorf("%w: %s without a list and a size", ErrSignature, taskChunks))
	}
	if _, err := Parse(s.Kwargs["task"]); err != nil {
		return s.fail(fmt.Errorf("%s: what is to be called: %w", taskChunks, err))
	}
	g := Signature{Task: taskGroup, Kind: KindGroup, Options: s.Options}
	for len(items) > 0 {
		cut := min(n, len(items))
		g.Tasks = append(g.Tasks, Signature{Task: taskStarMap, Immutable: true, Kwargs: map[string]json.RawMessage{
			"task": s.Kwargs["task"], "it": appendList(nil, items[:cut]),
		}})
		items = items[cut:]
	}
	return g
}
