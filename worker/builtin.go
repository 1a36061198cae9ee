package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/pool"
)

// builtinPrefix begins the names of the tasks that every worker knows, which lists of tasks leave out.
const builtinPrefix = "celery."

// addLocal makes the builtin tasks known that run where the registry's own do.
func (r *Registry) addLocal() {
	run := func(ctx context.Context, task string, args []json.RawMessage) (any, error) {
		f := r.funcs[task]
		if f == nil {
			return nil, fmt.Errorf("there is no task %q in this process", task)
		}
		return f(ctx, &Request{Task: task, Args: args})
	}
	for name, b := range canvas.Local(run) {
		r.funcs[name] = func(ctx context.Context, q *Request) (any, error) {
			t := &message.Task{Name: q.Task, ID: q.ID, Retries: q.Retries, Message: brokers.Message{Queue: q.Queue, Headers: q.Headers}}
			return b(ctx, t, message.Body{Args: q.Args, Kwargs: q.Kwargs})
		}
		r.options[name] = &taskOptions{}
	}
}

func builtin(name string) bool { return strings.HasPrefix(name, builtinPrefix) }

// attended runs a builtin task that needs the worker's connections: here, and not in the pool.
func (s *session) attended(ctx context.Context, a *attempt, run canvas.Builtin) pool.Result {
	w := s.worker
	t := &a.job.Task
	body, err := t.Body()
	if err != nil {
		return pool.Result{Status: pool.Malformed, Err: err}
	}
	w.observe(a.event(Started))
	a.started()
	value, err := run(context.WithoutCancel(ctx), t, body)
	var ended pool.Result
	if again, ok := errors.AsType[*canvas.RetryError](err); ok {
		err = &RetryError{After: again.After, Max: again.Max, Cause: again.Cause}
	}
	if err == nil {
		ended = returned(value)
	} else {
		ended = judge(context.WithoutCancel(ctx), t, err)
	}
	e := a.event(Finished)
	e.Outcome = outcome(ended.Status)
	w.observe(e)
	return ended
}
