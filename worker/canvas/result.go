package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A Result is the handle of what was sent: of one task, or of a group of them. Its JSON form is Celery's result
// tuple, [[id, parent], members].
type Result struct {
	ID      string
	Parent  *Result  // what came before it in its workflow; nil for the first
	Group   bool     // whether it stands for Members, which is otherwise nil
	Members []Result // of a group, in order
}

// A TaskError is the failure of a task that others waited for.
type TaskError struct {
	ID    string
	State result.State
	Err   *result.Exception // nil when the backend does not know it
}

func (e *TaskError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("task %s: %s", e.ID, e.State)
	}
	return fmt.Sprintf("task %s: %v", e.ID, e.Err)
}

func (e *TaskError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}

// MarshalJSON writes Celery's tuple.
func (r Result) MarshalJSON() ([]byte, error) { return r.append(nil), nil }

func (r Result) append(buf []byte) []byte {
	buf = append(appendString(append(buf, "[["...), r.ID), ", "...)
	if r.Parent == nil {
		buf = append(buf, "null"...)
	} else {
		buf = r.Parent.append(buf)
	}
	buf = append(buf, "], "...)
	if !r.Group {
		return append(buf, "null]"...)
	}
	buf = append(buf, '[')
	for i, m := range r.Members {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = m.append(buf)
	}
	return append(buf, "]]"...)
}

// ParseResult reads a tuple as Celery writes it. An id without brackets stands for [[id, null], null].
func ParseResult(raw json.RawMessage) (Result, error) {
	r, err := parseResult(raw, 0)
	if err != nil {
		return Result{}, fmt.Errorf("read result tuple: %w", err)
	}
	return r, nil
}

func parseResult(raw json.RawMessage, depth int) (r Result, err error) {
	if depth > 4*Deepest { // a chain's tuple has a level for every step
		return r, errors.New("it nests too deep")
	}
	if id, ok := decodeString(raw); ok {
		return Result{ID: id}, nil
	}
	parts, err := message.Elements(raw)
	if err != nil {
		return r, err
	}
	if len(parts) != 2 {
		return r, fmt.Errorf("an array of %d, not [[id, parent], members]", len(parts))
	}
	if r.ID, err = r.parseHead(parts[0], depth); err != nil {
		return r, err
	}
	if none(parts[1]) {
		return r, nil
	}
	members, err := message.Elements(parts[1])
	if err != nil {
		return r, err
	}
	r.Group = true
	for _, raw := range members {
		m, err := parseResult(raw, depth+1)
		if err != nil {
			return r, err
		}
		r.Members = append(r.Members, m)
	}
	return r, nil
}

// parseHead takes [id, parent], or the id alone.
func (r *Result) parseHead(raw json.RawMessage, depth int) (string, error) {
	if id, ok := decodeString(raw); ok {
		return id, nil
	}
	head, err := message.Elements(raw)
	if err != nil {
		return "", err
	}
	if len(head) == 0 {
		return "", errors.New("it has no id")
	}
	id, ok := decodeString(head[0])
	if !ok {
		return "", fmt.Errorf("its id is %s", head[0])
	}
	if len(head) > 1 && !none(head[1]) {
		parent, err := parseResult(head[1], depth+1)
		if err != nil {
			return "", err
		}
		r.Parent = &parent
	}
	return id, nil
}

// Save keeps the group where clients find it by its id.
func (r Result) Save(ctx context.Context, groups result.Groups) error {
	if !r.Group {
		return fmt.Errorf("save result %s: it is not a group's", r.ID)
	}
	return groups.SaveGroup(ctx, r.ID, r.append(nil))
}

// Join waits for the result, and returns its value: for a group the list of its members' values, in order. The first
// member in order that has failed is a *TaskError. An end of ctx is its error.
func (r Result) Join(ctx context.Context, b result.Backend) (json.RawMessage, error) {
	return r.values(func(id string) (json.RawMessage, error) {
		rec, err := b.Wait(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("wait for task %s: %w", id, err)
		}
		return value(rec, id)
	})
}

// Results waits for the tasks, and returns their values in the same order, as Join does.
func Results(ctx context.Context, b result.Backend, ids ...string) ([]json.RawMessage, error) {
	values := make([]json.RawMessage, 0, len(ids))
	for _, id := range ids {
		v, err := Result{ID: id}.Join(ctx, b)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// values puts a value for each task where the task stands.
func (r Result) values(of func(id string) (json.RawMessage, error)) (json.RawMessage, error) {
	if !r.Group {
		return of(r.ID)
	}
	list := make([]json.RawMessage, 0, len(r.Members))
	for _, m := range r.Members {
		v, err := m.values(of)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return appendList(nil, list), nil
}

func value(rec result.Record, id string) (json.RawMessage, error) {
	if rec.State != result.Success {
		return nil, &TaskError{ID: id, State: rec.State, Err: rec.Exception}
	}
	if rec.Value == nil {
		return json.RawMessage("null"), nil
	}
	return rec.Value, nil
}

// handle is the result of a frozen signature; parent is that of what comes before it.
func handle(s Signature, parent *Result) Result {
	switch s.Kind {
	case KindChain:
		for _, t := range s.Tasks[:len(s.Tasks)-1] {
			before := handle(t, parent)
			parent = &before
		}
		return handle(s.Tasks[len(s.Tasks)-1], parent)
	case KindGroup:
		r := Result{ID: s.id(), Parent: parent, Group: true}
		for _, t := range s.Tasks {
			r.Members = append(r.Members, handle(t, nil))
		}
		return r
	case KindChord:
		header := handle(Signature{Kind: KindGroup, Options: s.Options, Tasks: s.Tasks}, parent)
		return handle(*s.Body, &header)
	}
	return Result{ID: s.id(), Parent: parent}
}

// trail is what a task that sends the signature has for its child: the part that is sent at once.
func trail(s Signature) Result {
	switch s.Kind {
	case KindChain:
		return trail(s.Tasks[0])
	case KindChord:
		return handle(Signature{Kind: KindGroup, Options: s.Options, Tasks: s.Tasks}, nil)
	}
	return handle(s, nil)
}
