package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"taskbench/worker/message"
)

// A ReplaceError is what a task returns to be replaced: the workflow takes over its id and its place, and its result
// becomes the task's. The task itself has no result.
type ReplaceError struct{ With Signature }

func (e *ReplaceError) Error() string { return "replaced by " + e.With.Task }

// nesting counts how often a task's place was taken over.
const nesting = "replaced_task_nesting"

// Replace sends what a task asked to be replaced with. Callbacks, errbacks, the rest of its chain and its chord pass
// to it. The task is then to be settled without storing a result. An error of ErrSignature is the task's failure.
func (f *Follower) Replace(ctx context.Context, t *message.Task, body message.Body, with Signature) error {
	e, err := ParseEmbed(body.Embed)
	if err == nil {
		err = with.Err()
	}
	if err == nil && with.Options["chord"] != nil {
		err = fmt.Errorf("%w: what replaces a task must not be in a chord", ErrSignature)
	}
	if err != nil {
		return fmt.Errorf("replace task %s: %w", t.ID, err)
	}
	depth := number(replaced(t) + 1)
	s := oneResult(with).Link(e.Callbacks...).LinkError(e.Errbacks...)
	s = s.final("task_id", quote(t.ID))
	steps := join(nil, s)
	for _, raw := range slices.Backward(e.Chain) {
		next, err := Parse(raw)
		if err != nil {
			return fmt.Errorf("replace task %s: the rest of its chain: %w", t.ID, err)
		}
		steps = join(steps, next)
	}
	for i := range steps {
		steps[i] = everyTask(steps[i], nesting, depth)
	}
	s = single(steps)
	if e.Chord != nil {
		s = s.final("chord", e.Chord)
		p := part(t, "", nil)
		if p.Group != "" {
			s = s.final("group_id", quote(p.Group))
		}
		if p.Index >= 0 {
			s = s.final("group_index", number(p.Index))
		}
	}
	if _, _, err := f.start(ctx, s, namer{seed: t.ID + "/replaced/" + string(depth)}, f.from(t)); err != nil {
		return fmt.Errorf("replace task %s: %w", t.ID, err)
	}
	return nil
}

// oneResult puts a task that gathers the results after a signature that ends in a group, so that there is one.
func oneResult(s Signature) Signature {
	if s.Kind == KindChain {
		s = single(join(nil, s))
	}
	if s.tail().Kind == KindGroup {
		return then(s, Sig(taskAccumulate).Kw("index", 0))
	}
	return s
}

// everyTask sets an option on all tasks of a step, but for those in a chord's header.
func everyTask(s Signature, name string, raw json.RawMessage) Signature {
	switch {
	case s.Kind == KindChain || s.Kind == KindGroup:
		s.Tasks = slices.Clone(s.Tasks)
		for i, t := range s.Tasks {
			s.Tasks[i] = everyTask(t, name, raw)
		}
		return s
	case s.Kind == KindChord && s.Body != nil:
		return s.withBody(func(b Signature) Signature { return everyTask(b, name, raw) })
	}
	return s.option(name, raw)
}

// replaced is how often the task's place was taken over already.
func replaced(t *message.Task) int {
	switch n := t.Message.Headers[nesting].(type) {
	case int:
		return n
	case int32:
		return int(n)
	case int64:
		return int(n)
	case float64:
		return int(n)
	case json.Number:
		if n, err := strconv.Atoi(n.String()); err == nil {
			return n
		}
	}
	return 0
}

// AsReplace finds a ReplaceError in the chain of an error, as a task returned it.
func AsReplace(err error) (with Signature, ok bool) {
	var r *ReplaceError
	if errors.As(err, &r) {
		return r.With, true
	}
	return Signature{}, false
}
