package canvas

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// HeaderOnce marks the messages of a chord's body, which may be sent twice when a worker dies between sending it and
// saying so. See Follower.Resume.
const HeaderOnce = "taskbench_once"

// A call is what a signature gets from whoever sends it.
type call struct {
	args   []json.RawMessage // before the signature's own
	parent string            // of all that is sent at once; these two win over the signature's options
	root   string
	under  string // the same, where the options say nothing
	origin string
	chain  []json.RawMessage // what comes after the signature, in reverse; nil is not the same as none on the wire
	stamps map[string]any
	prio   *uint8
	once   bool
}

// publish sends a frozen signature: all of its messages that do not wait for another.
func (f *Follower) publish(ctx context.Context, s Signature, c call) error {
	if s.Kind == "" && chained(s) {
		s = f.freezer(namer{seed: s.id()}).freeze(s, "chain")
	}
	switch s.Kind {
	case KindChain:
		return f.publishChain(ctx, s, c)
	case KindGroup:
		return f.publishGroup(ctx, s, c)
	case KindChord:
		return f.publishChord(ctx, s, c)
	}
	return f.publishTask(ctx, s, c)
}

// publishChain sends the first step. The others travel with it.
func (f *Follower) publishChain(ctx context.Context, s Signature, c call) error {
	rest := slices.Clone(c.chain)
	for _, t := range slices.Backward(s.Tasks[1:]) {
		rest = append(rest, t.append(nil))
	}
	c.chain = rest
	return f.publish(ctx, s.Tasks[0], c)
}

// publishGroup sends the members. A group that something comes after was not made by Chain; it is a chord.
func (f *Follower) publishGroup(ctx context.Context, s Signature, c call) error {
	if len(c.chain) > 0 {
		chord := f.freezer(namer{seed: s.id()}).freeze(upgraded(s, following(c.chain)), "")
		c.chain = nil
		if err := chord.Err(); err != nil {
			return err
		}
		return f.publish(ctx, chord, c)
	}
	c.chain = nil
	gid := s.id()
	for i, m := range s.Tasks {
		if _, ok := m.tail().Options["group_id"]; !ok {
			m = f.attach(m, gid, i, nil)
		}
		if err := f.publish(ctx, m, c); err != nil {
			return err
		}
	}
	return nil
}

// attach makes a signature the member i of a group, or of a chord's header when there is a body. It is the task
// whose result is the signature's that carries this. If that is a group, which has no result of its own, a task that
// gathers its members' is put after it.
func (f *Follower) attach(s Signature, gid string, i int, body json.RawMessage) Signature {
	if tail := s.tail(); tail.Kind == KindGroup {
		if body == nil {
			return s
		}
		gather := Sig(taskAccumulate).With("task_id", namer{seed: tail.id()}.id("gather")).Kw("index", 0)
		s = f.freezer(namer{seed: tail.id()}).freeze(then(s, gather), "")
	}
	s = s.final("group_id", quote(gid)).final("group_index", number(i))
	if body != nil {
		s = s.final("chord", body)
	}
	return s
}

// publishTask sends one task.
func (f *Follower) publishTask(ctx context.Context, s Signature, c call) error {
	id := s.id()
	if c.once && f.Results != nil {
		r, err := f.Results.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("look whether the chord's body %s has run: %w", id, err)
		}
		if r.State == result.Success {
			return nil
		}
	}
	o, err := s.messageOptions()
	if err != nil {
		return err
	}
	c.complete(&o, s)
	if o.Queue == "" && f.Route != nil {
		o.Queue = f.Route(s.Task)
	}
	body := message.Body{Args: s.prepend(c.args).Args, Kwargs: s.Kwargs, Embed: embed(s, c.chain)}
	m := body.Message(s.Task, id, o)
	if err := f.Publisher.Publish(ctx, m); err != nil {
		return fmt.Errorf("send task %s as %s: %w", s.Task, id, err)
	}
	return nil
}

// complete adds to the options of a message what its sender knows.
func (c *call) complete(o *message.Options, s Signature) {
	o.RootID, _ = decodeString(s.Options["root_id"])
	o.ParentID, _ = decodeString(s.Options["parent_id"])
	o.RootID = first(c.root, o.RootID, c.origin)
	o.ParentID = first(c.parent, o.ParentID, c.under)
	if c.prio != nil && none(s.Options["priority"]) {
		o.Priority = *c.prio
	}
	if len(c.stamps) > 0 {
		all := maps.Clone(c.stamps)
		maps.Copy(all, o.Stamps)
		o.Stamps = all
	}
	if c.once {
		o.Headers[HeaderOnce] = true
	}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// embed is the third part of the body of a task.
func embed(s Signature, chain []json.RawMessage) json.RawMessage {
	null := func(raw json.RawMessage) json.RawMessage {
		if none(raw) {
			return json.RawMessage("null")
		}
		if raw[0] == '{' {
			return appendList(nil, []json.RawMessage{raw})
		}
		return raw
	}
	after := null(s.Options["chain"])
	if chain != nil {
		after = appendList(nil, chain)
	}
	buf := append([]byte(`{"callbacks": `), null(s.Options["link"])...)
	buf = append(append(buf, `, "errbacks": `...), null(s.Options["link_error"])...)
	buf = append(append(buf, `, "chain": `...), after...)
	buf = append(buf, `, "chord": `...)
	if chord := s.Options["chord"]; !none(chord) {
		buf = append(buf, chord...)
	} else {
		buf = append(buf, "null"...)
	}
	return append(buf, '}')
}
