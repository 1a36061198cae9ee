package canvas

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A Publisher takes messages; a brokers.Broker is one. After an error the message may have been taken all the same.
type Publisher interface {
	Publish(ctx context.Context, m brokers.Message) error
}

// A Follower sends workflows, and carries them on after each of their tasks. It keeps no state: any worker, ours or
// Celery's, may carry on what another began. It is safe for concurrent use.
//
// All methods may be called again for the same task, as after a redelivery: they send messages of the same ids and
// report the same parts. Where one returns an error its work may be done in part, and is to be done again; only an
// error of ErrSignature will come again.
type Follower struct {
	Publisher Publisher
	Results   result.Backend           // nil: there is none; chords are then an error
	Log       *slog.Logger             // nil: nothing is said
	Route     func(task string) string // queue of a task that names none; nil, or "", is the default queue
	ReplyTo   string                   // for tasks that are sent on; "" is none

	// InheritPriority gives tasks that have none the priority of the task that sends them.
	InheritPriority bool
}

// Start sends a workflow. The id is that of the task whose result is the workflow's, or of the group; the tuple is
// what ParseResult reads. After an error part of the workflow may have been sent.
func (f *Follower) Start(ctx context.Context, s Signature) (id string, tuple json.RawMessage, err error) {
	return f.start(ctx, s, namer{}, call{})
}

// StartUnder is Start for a workflow that a task sends: the task becomes its parent.
func (f *Follower) StartUnder(ctx context.Context, t *message.Task, s Signature) (id string, tuple json.RawMessage, err error) {
	return f.start(ctx, s, namer{}, f.from(t))
}

func (f *Follower) start(ctx context.Context, s Signature, n namer, c call) (string, json.RawMessage, error) {
	if s.deep(Deepest) {
		return "", nil, errDeep
	}
	s = f.freezer(n).freeze(s, "")
	if err := s.Err(); err != nil {
		return "", nil, err
	}
	r := handle(s, nil)
	if err := f.publish(ctx, s, c); err != nil {
		return r.ID, nil, fmt.Errorf("start workflow %s: %w", r.ID, err)
	}
	return r.ID, r.append(nil), nil
}

func (f *Follower) freezer(n namer) freezer { return freezer{namer: n, replyTo: f.ReplyTo} }

// from is the call that a task makes.
func (f *Follower) from(t *message.Task) call {
	c := call{parent: t.ID, root: root(t)}
	c.stamps, _ = t.Message.Headers["stamps"].(map[string]any)
	if f.InheritPriority {
		c.prio = &t.Message.Priority
	}
	return c
}

func root(t *message.Task) string {
	id, _ := t.Message.Headers["root_id"].(string)
	return first(id, t.ID)
}

// Succeeded sends what follows a task's success: its callbacks and the next step of its chain. It is called before
// the result is stored, so that whoever sees the result sees its children too: their tuples are returned.
func (f *Follower) Succeeded(ctx context.Context, t *message.Task, body message.Body, value json.RawMessage) (children []json.RawMessage, err error) {
	e, err := ParseEmbed(body.Embed)
	if err != nil {
		return nil, fmt.Errorf("follow task %s: %w", t.ID, err)
	}
	if value == nil {
		value = json.RawMessage("null")
	}
	c := f.from(t)
	c.args = []json.RawMessage{value}
	send := func(s Signature, place string, c call) error {
		s = f.freezer(namer{seed: t.ID}).freeze(s, place)
		if err := s.Err(); err != nil {
			return err
		}
		if err := f.publish(ctx, s, c); err != nil {
			return err
		}
		children = append(children, trail(s).append(nil))
		return nil
	}
	for i, cb := range grouped(e.Callbacks) {
		if err := send(cb, "link/"+strconv.Itoa(i), c); err != nil {
			return children, fmt.Errorf("callback of task %s: %w", t.ID, err)
		}
	}
	if n := len(e.Chain); n > 0 {
		next, err := Parse(e.Chain[n-1])
		if err == nil {
			c.chain = e.Chain[: n-1 : n-1]
			err = send(next, "chain", c)
		}
		if err != nil {
			return children, fmt.Errorf("next step after task %s: %w", t.ID, err)
		}
	}
	return children, nil
}

// grouped is how Celery sends several callbacks: groups as they are, and the others as one group.
func grouped(callbacks []Signature) []Signature {
	if len(callbacks) < 2 {
		return callbacks
	}
	var groups, others []Signature
	for _, cb := range callbacks {
		if cb.Kind == KindGroup {
			groups = append(groups, cb)
		} else {
			others = append(others, cb)
		}
	}
	if len(others) > 0 {
		groups = append(groups, Group(others...))
	}
	return groups
}

// Resume is asked before a task is run. Where done is true the task, a chord's body that was sent twice, has
// succeeded already; what may have been left undone after its result was stored is done now, and the delivery is to
// be settled as a success, without running anything. For all other tasks it is false and costs nothing.
func (f *Follower) Resume(ctx context.Context, t *message.Task, body message.Body) (done bool, err error) {
	if f.Results == nil || t.Message.Headers[HeaderOnce] != true {
		return false, nil
	}
	r, err := f.Results.Get(ctx, t.ID)
	if err != nil {
		return false, fmt.Errorf("look whether task %s has run: %w", t.ID, err)
	}
	if r.State != result.Success {
		return false, nil
	}
	return true, f.Stored(ctx, t, body, r)
}

func (f *Follower) log() *slog.Logger {
	if f.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Log
}

// An Embed is what a task's message holds of the workflow that the task is part of.
type Embed struct {
	Callbacks []Signature
	Errbacks  []Signature
	Chain     []json.RawMessage // the steps still to come, in reverse: the next is the last
	Chord     json.RawMessage   // the body of the chord in whose header the task is; nil when it is in none
}

// ParseEmbed reads the third part of a message's body. Null, nothing and missing members are all empty. An error is
// one of ErrSignature.
func ParseEmbed(raw json.RawMessage) (e Embed, err error) {
	if none(raw) {
		return e, nil
	}
	parts, err := message.Members(raw)
	if err != nil {
		return e, fmt.Errorf("%w: the embedded workflow: %w", ErrSignature, err)
	}
	e.Callbacks, e.Errbacks = parsed(parts["callbacks"]), parsed(parts["errbacks"])
	for _, s := range slices.Concat(e.Callbacks, e.Errbacks) {
		if err := s.Err(); err != nil {
			return e, fmt.Errorf("the embedded workflow: %w", err)
		}
	}
	if e.Chain, err = list(parts["chain"]); err != nil {
		return e, fmt.Errorf("%w: the embedded chain: %w", ErrSignature, err)
	}
	if chord := parts["chord"]; !none(chord) {
		e.Chord = chord
	}
	return e, nil
}
