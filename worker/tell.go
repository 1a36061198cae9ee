package worker

import (
	"encoding/json"
	"time"

	"taskbench/worker/event"
	"taskbench/worker/event/repr"
	"taskbench/worker/message"
	"taskbench/worker/pool"
	"taskbench/worker/result"
)

// told is what a task's received event tells of it.
func (w *Worker) told(a *attempt) event.Task {
	t := &a.job.Task
	h := t.Message.Headers
	e := event.Task{ID: t.ID, Name: t.Name, Retries: t.Retries, ETA: t.ETA, Expires: t.Expires}
	e.RootID, _ = h["root_id"].(string)
	e.ParentID, _ = h["parent_id"].(string)
	if shadow, ok := h["shadow"].(string); ok && shadow != "" {
		e.Name = shadow
	}
	e.Args, e.Kwargs = reprsOf(t)
	return e
}

// reprsOf are a task's arguments as Python prints them: as the sender has written them down, or made from the body.
func reprsOf(t *message.Task) (args, kwargs string) {
	h := t.Message.Headers
	args, hasArgs := h["argsrepr"].(string)
	kwargs, hasKwargs := h["kwargsrepr"].(string)
	if hasArgs && hasKwargs {
		return args, kwargs
	}
	body, err := t.Body()
	if err != nil {
		return "()", "{}"
	}
	return repr.Args(body.Args), repr.Kwargs(body.Kwargs)
}

// failedEvent tells that a task has failed.
func (w *Worker) failedEvent(a *attempt, x *result.Exception) {
	if w.options.Metrics != nil {
		name, queue := a.names()
		w.options.Metrics.Failed(name, queue, x.Type)
	}
	if w.events.Enabled() {
		w.events.Failed(a.job.Task.ID, repr.Exception(x.Type, x.Args...), x.Traceback)
	}
}

// succeededEvent tells that a task has succeeded, and how long it ran.
func (w *Worker) succeededEvent(a *attempt, r pool.Result, runtime time.Duration) {
	if w.options.Metrics == nil && !w.events.Enabled() {
		return
	}
	if w.options.Metrics != nil {
		name, queue := a.names()
		w.options.Metrics.Succeeded(name, queue, runtime)
	}
	if w.events.Enabled() {
		w.events.Succeeded(a.job.Task.ID, valueText(r.Value), runtime)
	}
}

// rejectedEvent tells that a message is given back or kept aside, though its task was begun.
func (w *Worker) rejectedEvent(a *attempt, requeue bool) {
	w.options.Metrics.Rejected(a.names())
	w.events.Rejected(a.key.id, requeue)
}

// valueText is a result as Python prints it.
func valueText(v json.RawMessage) string {
	if v == nil {
		return "None"
	}
	return repr.Value(v)
}

// status is what the worker's own events tell.
func (w *Worker) status() event.Status {
	s := event.Status{Processed: w.counters.started.Load(), Software: "taskbench", Version: version(), Load: event.LoadAverage()}
	s.Active = len(w.active())
	return s
}
