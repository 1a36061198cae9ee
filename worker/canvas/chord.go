package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

var errNoResults = fmt.Errorf("%w: a chord needs a result backend, and there is none", ErrSignature)

// unlockAfter is when celery.chord_unlock first looks for the header's results.
const unlockAfter = time.Second

// publishChord sends the header. Each of its tasks carries the body; whoever ends the last of them sends it.
func (f *Follower) publishChord(ctx context.Context, s Signature, c call) error {
	body, err := f.chordBody(s, c)
	if err != nil {
		return err
	}
	if len(s.Tasks) == 0 {
		c.args, c.chain = []json.RawMessage{json.RawMessage("[]")}, nil
		return f.publish(ctx, body, c)
	}
	if f.Results == nil {
		return errNoResults
	}
	gid, raw := s.id(), body.append(nil)
	counter, counts := f.Results.(result.Counter)
	if !counts {
		if err := f.publishUnlock(ctx, s, body, c); err != nil {
			return err
		}
	}
	c.chain = nil
	if s.Immutable {
		c.args = nil
	}
	c.args = slices.Concat(c.args, s.Args)
	for i, m := range s.Tasks {
		// Not before: a header that was sent in part must not seem complete. Not after: the last task may be quick.
		if counts && i == len(s.Tasks)-1 {
			if err := counter.Expect(ctx, gid, len(s.Tasks)); err != nil {
				return fmt.Errorf("say how many tasks chord %s has: %w", gid, err)
			}
		}
		if err := f.publish(ctx, f.attach(m, gid, i, raw), c); err != nil {
			return err
		}
	}
	return nil
}

// chordBody is the body as the header's tasks carry it: with all that the chord was given for it.
func (f *Follower) chordBody(s Signature, c call) (Signature, error) {
	body := *s.Body
	for name, raw := range s.Options {
		switch name {
		case "task_id":
		case "link":
			body = body.Link(parsed(raw)...)
		case "link_error":
			body = body.LinkError(parsed(raw)...)
		case "group_id", "group_index", "chord":
			body = body.final(name, raw)
		default:
			body = body.first(name, raw)
		}
	}
	switch {
	case c.chain == nil:
	case body.Kind == "":
		own, _ := list(body.Options["chain"])
		body = body.option("chain", appendList(nil, slices.Concat(c.chain, own)))
	case len(c.chain) > 0:
		body = f.freezer(namer{seed: s.id()}).freeze(then(body, following(c.chain)), "after")
	}
	if c.parent != "" && body.Kind != KindGroup {
		body = body.first("parent_id", quote(c.parent)).first("root_id", quote(c.root))
	}
	if _, ok := body.Options["group_id"]; !ok && body.Kind == "" {
		body = body.option("group_id", quote(s.id()))
	}
	return body, body.Err()
}

// following is what a message's chain holds, as one signature.
func following(chain []json.RawMessage) Signature {
	steps := parsed(appendList(nil, chain))
	slices.Reverse(steps)
	return single(joinAll(nil, steps))
}

// publishUnlock sends the task that looks again and again whether the header is done, where results cannot count.
func (f *Follower) publishUnlock(ctx context.Context, s, body Signature, c call) error {
	members := make([]json.RawMessage, 0, len(s.Tasks))
	for i, m := range s.Tasks {
		members = append(members, handle(f.attach(m, s.id(), i, json.RawMessage("{}")), nil).append(nil))
	}
	gid := s.id()
	unlock := Signature{Task: taskUnlock, Args: []json.RawMessage{quote(gid), body.append(nil)}, Kwargs: map[string]json.RawMessage{
		"interval": json.RawMessage("null"), "max_retries": json.RawMessage("null"), "result": appendList(nil, members),
	}}
	unlock = unlock.Set(Options{TaskID: namer{seed: gid}.id("unlock"), IgnoreResult: true, Countdown: unlockAfter, ReplyTo: f.ReplyTo})
	if queue := body.Options["queue"]; !none(queue) {
		unlock = unlock.option("queue", queue)
	}
	c.args, c.chain = nil, nil
	return f.publish(ctx, unlock, c)
}

// Stored is called after the result of a task was stored. If that is a success, and the task is in a chord's header,
// its part is counted, and with the last part the body is sent. Other states change nothing: see Failed.
func (f *Follower) Stored(ctx context.Context, t *message.Task, body message.Body, r result.Record) error {
	if r.State != result.Success {
		return nil
	}
	e, err := ParseEmbed(body.Embed)
	if err != nil {
		return fmt.Errorf("follow task %s: %w", t.ID, err)
	}
	v, _ := value(r, t.ID)
	c := f.from(t)
	c.under, c.origin, c.parent, c.root = c.parent, c.root, "", ""
	return f.report(ctx, e.Chord, part(t, result.Success, v), c)
}

// part is what a task has to say to its chord.
func part(t *message.Task, state result.State, v json.RawMessage) result.Part {
	p := result.Part{Index: -1, TaskID: t.ID, State: state, Value: v}
	p.Group, _ = t.Message.Headers["group"].(string)
	switch n := t.Message.Headers["group_index"].(type) {
	case int:
		p.Index = n
	case int32:
		p.Index = int(n)
	case int64:
		p.Index = int(n)
	case float64:
		p.Index = int(n)
	}
	return p
}

// report counts a part, and carries on with the body when it was the last one.
func (f *Follower) report(ctx context.Context, chord json.RawMessage, p result.Part, c call) error {
	counter, ok := f.Results.(result.Counter)
	if !ok || chord == nil || p.Group == "" {
		return nil
	}
	parts, err := counter.Report(ctx, p)
	if err != nil {
		return fmt.Errorf("report task %s to chord %s: %w", p.TaskID, p.Group, err)
	}
	if parts == nil {
		return nil
	}
	body, err := Parse(chord)
	if err != nil {
		f.log().Error("the body of a chord cannot be read, and is dropped", "chord", p.Group, "err", err)
		return counter.Done(ctx, p.Group)
	}
	values, err := f.gather(ctx, p.Group, parts)
	var failed *TaskError
	switch {
	case errors.As(err, &failed):
		err = f.chordFailed(ctx, p.Group, body, failed, c)
	case err == nil:
		err = f.sendBody(ctx, p.Group, body, values, c)
	}
	if err != nil {
		return err
	}
	if err := counter.Done(ctx, p.Group); err != nil {
		return fmt.Errorf("close chord %s: %w", p.Group, err)
	}
	return nil
}

// sendBody sends a chord's body, unless it has run already.
func (f *Follower) sendBody(ctx context.Context, gid string, body Signature, values json.RawMessage, c call) error {
	body = f.freezer(namer{seed: gid}).freeze(body, "body")
	if err := body.Err(); err != nil {
		return f.chordFailed(ctx, gid, body, &TaskError{ID: gid, State: result.Failure, Err: result.FromError(err)}, c)
	}
	c.args, c.once = []json.RawMessage{values}, true
	if err := f.publish(ctx, body, c); err != nil {
		return fmt.Errorf("send the body of chord %s: %w", gid, err)
	}
	return nil
}

// gather puts the parts' values in the order of the header, and in its structure where Celery has saved one: there a
// member may be a group of tasks that report one by one. The first failure is a *TaskError.
func (f *Follower) gather(ctx context.Context, gid string, parts []result.Part) (json.RawMessage, error) {
	of := make(map[string]json.RawMessage, len(parts))
	flat := make([]json.RawMessage, 0, len(parts))
	for _, p := range parts {
		if p.State != result.Success {
			x, _ := result.ParseException(p.Value)
			return nil, &TaskError{ID: p.TaskID, State: p.State, Err: x}
		}
		of[p.TaskID] = p.Value
		flat = append(flat, p.Value)
	}
	groups, ok := f.Results.(result.Groups)
	if !ok {
		return appendList(nil, flat), nil
	}
	tuple, err := groups.Group(ctx, gid)
	if errors.Is(err, result.ErrNoGroup) {
		return appendList(nil, flat), nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the members of chord %s: %w", gid, err)
	}
	r, err := ParseResult(tuple)
	if err != nil {
		return nil, &TaskError{ID: gid, State: result.Failure, Err: result.FromError(err)}
	}
	return r.values(func(id string) (json.RawMessage, error) {
		if v, ok := of[id]; ok {
			return v, nil
		}
		rec, err := f.Results.Get(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("read the result of task %s: %w", id, err)
		}
		return value(rec, id)
	})
}
