package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// applyHeader marks what a task hands to its worker as a workflow to be started, rather than a message to be sent: only
// the worker has the connections that a workflow needs.
const applyHeader = "x-taskbench-apply"

// Apply starts a workflow as the task's child, and returns the id of the task (or group) whose result is the
// workflow's. Errors are as with Send; one that wraps canvas.ErrSignature says that the workflow makes no sense.
func (r *Request) Apply(ctx context.Context, s canvas.Signature) (id string, err error) {
	if err := s.Err(); err != nil {
		return "", fmt.Errorf("task %s: apply: %w", r.Task, err)
	}
	if raw, named := s.Options["task_id"]; named {
		_ = json.Unmarshal(raw, &id) // a signature's id is a string
	}
	if id == "" {
		id = newID()
		s = s.Set(canvas.Options{TaskID: id})
	}
	body, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("task %s: apply: %w", r.Task, err)
	}
	m := brokers.Message{
		Queue: brokers.DefaultQueue, Headers: map[string]any{applyHeader: true}, Body: body,
		ContentType: message.JSON, ContentEncoding: "utf-8", CorrelationID: id,
	}
	return id, r.Send(ctx, m)
}

// Replace ends the task and has a workflow take its place: its id, its callbacks, the rest of its chain and its chord.
// A task returns what Replace returns: return nil, r.Replace(s).
func (r *Request) Replace(s canvas.Signature) error { return &canvas.ReplaceError{With: s} }

// replacedBy is the class under which a replacement comes out of a pool child.
const replacedBy = "Replaced"

// carry turns an error that only means something in the process where it was made into one that can leave it.
func carry(err error) error {
	with, ok := canvas.AsReplace(err)
	if !ok {
		return err
	}
	if err := with.Err(); err != nil {
		return err
	}
	raw, err := json.Marshal(with)
	if err != nil {
		return err
	}
	return &result.Exception{Type: replacedBy, Module: "taskbench", Args: []json.RawMessage{raw}}
}

// replace settles an attempt whose task had itself replaced.
func (s *session) replace(settle context.Context, a *attempt, x *result.Exception) {
	w := s.worker
	t := &a.job.Task
	with, err := canvas.Parse(x.Args[0])
	body, bad := t.Body()
	if err = errors.Join(err, bad); err == nil {
		var wrong error
		if !s.persist(settle, a, func(ctx context.Context) error {
			if err := w.follower.Replace(ctx, t, body, with); errors.Is(err, canvas.ErrSignature) {
				wrong = err
			} else {
				return err
			}
			return nil
		}) {
			return
		}
		if err = wrong; err == nil {
			s.finish(settle, a)
			return
		}
	}
	s.failure(settle, a, result.FromError(err))
}

// apply starts a workflow for a task.
func (w *Worker) apply(ctx context.Context, a *attempt, m brokers.Message) error {
	s, err := canvas.Parse(m.Body)
	if err != nil {
		return brokers.Refuse(err)
	}
	_, tuple, err := w.follower.StartUnder(ctx, &a.job.Task, s)
	if err == nil {
		a.child(tuple)
	}
	return err
}

// child notes the result tuple of a task that this one sent.
func (a *attempt) child(tuple json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.children) < mostChildren {
		a.children = append(a.children, tuple)
	}
}

// follows runs a step of a workflow. What makes no sense will not make any the next time: it is said, and left.
func (w *Worker) follows(a *attempt, err error) error {
	if errors.Is(err, canvas.ErrSignature) {
		w.log.Error("a workflow cannot be carried on", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		return nil
	}
	return err
}

// newID makes a random UUID: it must differ between processes that know nothing of each other.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
