package canvas

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// Failed follows a task's failure, after that was stored: what comes after the task in its chain fails with it, its
// chord hears of it, and its errbacks are sent, with the task's id for an argument. Not for a retry.
func (f *Follower) Failed(ctx context.Context, t *message.Task, body message.Body, x *result.Exception) error {
	e, err := ParseEmbed(body.Embed)
	if err != nil {
		return fmt.Errorf("follow task %s: %w", t.ID, err)
	}
	c := f.from(t)
	if err := f.abandonRest(ctx, t, e, x, result.Failure, c); err != nil {
		return err
	}
	return f.sendErrbacks(ctx, t.ID, e.Errbacks, c)
}

// Revoked follows a task that was not run, or was stopped, because somebody revoked it or it had expired, after that
// was stored. It is as with Failed, but errbacks are not sent.
func (f *Follower) Revoked(ctx context.Context, t *message.Task, body message.Body, x *result.Exception) error {
	e, err := ParseEmbed(body.Embed)
	if err != nil {
		return fmt.Errorf("follow task %s: %w", t.ID, err)
	}
	return f.abandonRest(ctx, t, e, x, result.Revoked, f.from(t))
}

func (f *Follower) abandonRest(ctx context.Context, t *message.Task, e Embed, x *result.Exception, state result.State, c call) error {
	if x == nil {
		x = result.NewException(result.Builtins, "Exception")
	}
	c.under, c.origin, c.parent, c.root = c.parent, c.root, "", ""
	if err := f.report(ctx, e.Chord, part(t, result.Failure, x.Encode()), c); err != nil {
		return err
	}
	for _, raw := range slices.Backward(e.Chain) {
		step, err := Parse(raw)
		if err != nil {
			return fmt.Errorf("chain after task %s: %w", t.ID, err)
		}
		if err := f.abandon(ctx, step, x, state, c); err != nil {
			return err
		}
	}
	return nil
}

// abandon makes a signature that will never be sent fail: every task in it, so that nobody waits for one, and then
// the chord that waits for its result.
func (f *Follower) abandon(ctx context.Context, s Signature, x *result.Exception, state result.State, c call) error {
	if f.Results == nil {
		return nil
	}
	for _, task := range leaves(s) {
		id := task.id()
		if id == "" || string(task.Options["ignore_result"]) == "true" {
			continue
		}
		r := result.Record{TaskID: id, State: state, Exception: x, Done: time.Now()}
		r.GroupID, _ = decodeString(task.Options["group_id"])
		r.ParentID, _ = decodeString(task.Options["parent_id"])
		r.ReplyTo, _ = decodeString(task.Options["reply_to"])
		if err := f.Results.Store(ctx, r); err != nil {
			return fmt.Errorf("store the failure of task %s, which will not be run: %w", id, err)
		}
	}
	for _, task := range tails(s) {
		p := result.Part{Index: -1, TaskID: task.id(), State: result.Failure, Value: x.Encode()}
		p.Group, _ = decodeString(task.Options["group_id"])
		if n, ok := decodeInt(task.Options["group_index"]); ok {
			p.Index = n
		}
		var chord json.RawMessage
		if raw := task.Options["chord"]; !none(raw) {
			chord = raw
		}
		if err := f.report(ctx, chord, p, c); err != nil {
			return err
		}
	}
	return nil
}

// chordFailed makes a chord's body fail because one of its header did.
func (f *Follower) chordFailed(ctx context.Context, gid string, body Signature, failed *TaskError, c call) error {
	x := result.NewException("celery.exceptions", "ChordError", fmt.Sprintf("Dependency %s raised %s", failed.ID, repr(failed)))
	f.log().Error("a chord failed with one of its tasks", "chord", gid, "body", body.tail().id(), "err", failed)
	body = f.freezer(namer{seed: gid}).freeze(body, "body")
	if err := body.Err(); err != nil {
		f.log().Error("the body of a chord cannot be read, and is dropped", "chord", gid, "err", err)
		return nil
	}
	if err := f.abandon(ctx, body, x, result.Failure, c); err != nil {
		return err
	}
	for _, task := range heads(body) {
		sub := c
		sub.parent, sub.root = task.id(), first(c.origin, task.id())
		if err := f.sendErrbacks(ctx, task.id(), parsed(task.Options["link_error"]), sub); err != nil {
			return err
		}
	}
	return nil
}

// sendErrbacks sends them as Celery does: as a group, each with the id of the failed task.
func (f *Follower) sendErrbacks(ctx context.Context, id string, errbacks []Signature, c call) error {
	if len(errbacks) == 0 {
		return nil
	}
	s := f.freezer(namer{seed: id}).freeze(Group(errbacks...), "errback")
	c.args, c.chain = []json.RawMessage{quote(id)}, nil
	err := s.Err()
	if err == nil {
		err = f.publish(ctx, s, c)
	}
	if err != nil {
		return fmt.Errorf("errbacks of task %s: %w", id, err)
	}
	return nil
}

// leaves are all tasks of a signature, with those that its options still hold.
func leaves(s Signature) []Signature {
	var all []Signature
	if s.Kind == "" {
		all = append(all, s)
		for _, t := range parsed(s.Options["chain"]) {
			all = append(all, leaves(t)...)
		}
	}
	for _, t := range s.Tasks {
		all = append(all, leaves(t)...)
	}
	if s.Body != nil {
		all = append(all, leaves(*s.Body)...)
	}
	return all
}

// tails are the tasks whose results are the signature's.
func tails(s Signature) []Signature {
	s = s.tail()
	if chained(s) {
		return tails(parsed(s.Options["chain"])[0])
	}
	if s.Kind != KindGroup {
		return []Signature{s}
	}
	var all []Signature
	for _, t := range s.Tasks {
		all = append(all, tails(t)...)
	}
	return all
}

// heads are the tasks that a signature begins with, whose errbacks are its own: of a chord the body's.
func heads(s Signature) []Signature {
	switch {
	case s.Kind == KindChain && len(s.Tasks) > 0:
		return heads(s.Tasks[0])
	case s.Kind == KindChord && s.Body != nil:
		return heads(*s.Body)
	case s.Kind == KindGroup:
		var all []Signature
		for _, t := range s.Tasks {
			all = append(all, heads(t)...)
		}
		return all
	}
	return []Signature{s}
}
