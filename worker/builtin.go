package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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

// attention is how long a builtin task may take that is not run in the pool: they ask servers for something, which may
// hang. The longest of them cleans a table up.
const attention = 10 * time.Minute

var errAttention = fmt.Errorf("it took %v: %w", attention, pool.ErrHardLimit)

// attended runs a builtin task that needs the worker's connections: here, and not in the pool. It ends with the worker's
// patience, or its own, and is then to be done again.
func (s *session) attended(ctx context.Context, a *attempt, run canvas.Builtin) pool.Result {
	w := s.worker
	t := &a.job.Task
	body, err := t.Body()
	if err != nil {
		return pool.Result{Status: pool.Malformed, Err: err}
	}
	w.observe(a.event(Started))
	a.started()
	ctx, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	over := time.AfterFunc(attention, func() { giveUp(errAttention) })
	defer over.Stop()
	go func() {
		select {
		case <-w.givenUp:
			giveUp(ErrStopped)
		case <-ctx.Done():
		}
	}()
	value, err := call(ctx, func(ctx context.Context, _ *Request) (any, error) { return run(ctx, t, body) }, nil)
	if again, ok := errors.AsType[*canvas.RetryError](err); ok {
		err = &RetryError{After: again.After, Max: again.Max, Cause: again.Cause}
	}
	var ended pool.Result
	switch {
	case err == nil:
		ended = returned(value)
	case errors.Is(context.Cause(ctx), ErrStopped) && !a.acked: // whatever it made of that, somebody else does it again
		ended = judge(ctx, t, ErrStopped)
	default:
		ended = judge(ctx, t, err)
	}
	e := a.event(Finished)
	e.Outcome = outcome(ended.Status)
	w.observe(e)
	return ended
}
