package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"taskbench/worker/pool"
)

// ErrTimeLimit is the cause of a task context that ended because the message's own time limit was reached.
var ErrTimeLimit = errors.New("the task's time limit was reached")

// ErrStopped is the cause of a task context that ended because the worker stopped and its grace was over. In a
// pool child the cause has the same text.
var ErrStopped = errors.New("the worker stopped and its grace was over")

// A runner carries out attempts in this process.
type runner struct {
	registry *Registry
	observer Observer
}

// run implements pool.Runner.
func (r runner) run(ctx context.Context, j *pool.Job) pool.Result {
	t := &j.Task
	f := r.registry.funcs[t.Name]
	if f == nil {
		return pool.Result{Status: pool.Malformed, Err: fmt.Errorf("there is no task %q in this process", t.Name)}
	}
	body, err := t.Body()
	if err != nil {
		return pool.Result{Status: pool.Malformed, Err: err}
	}
	if !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
		return pool.Result{Status: pool.Expired}
	}
	r.observer.Observe(Event{Kind: Started, ID: t.ID, Attempt: j.Attempt})
	if j.Started != nil {
		j.Started()
	}
	if limit := timeLimit(t.Soft, t.Hard); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrTimeLimit)
		defer cancel()
	}
	value, err := call(ctx, f, &Request{
		ID:          t.ID,
		Task:        t.Name,
		Queue:       t.Message.Queue,
		Args:        body.Args,
		Kwargs:      body.Kwargs,
		Headers:     t.Message.Headers,
		Retries:     t.Retries,
		Redelivered: j.Redelivered,
		Attempt:     j.Attempt,
		ETA:         t.ETA,
	})
	if err == nil && value != nil {
		if _, bad := json.Marshal(value); bad != nil {
			err = fmt.Errorf("encode the result: %w", bad)
		}
	}
	result := judge(ctx, t.Retries, err)
	if j.Ended != nil {
		j.Ended(result)
	}
	r.observer.Observe(Event{Kind: Finished, ID: t.ID, Attempt: j.Attempt, Outcome: outcome(result.Status)})
	return result
}

// timeLimit is the earlier of the two; 0 is none.
func timeLimit(soft, hard time.Duration) time.Duration {
	if soft == 0 || hard > 0 && hard < soft {
		return hard
	}
	return soft
}

// call survives the task's panic.
func call(ctx context.Context, f Func, r *Request) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx, r)
}

// judge says what a function's error means.
func judge(ctx context.Context, retries int, err error) pool.Result {
	if err == nil {
		return pool.Result{Status: pool.OK}
	}
	if again, ok := errors.AsType[*RetryError](err); ok {
		most := again.Max
		if most == 0 {
			most = DefaultRetries
		}
		if most < 0 || retries < most {
			return pool.Result{Status: pool.Retry, Err: err, After: max(again.After, 0)}
		}
		return pool.Result{Status: pool.Failed, Err: fmt.Errorf("retried %d times: %w", retries, err)}
	}
	switch cause := context.Cause(ctx); {
	case cause == nil:
	case errors.Is(cause, ErrTimeLimit):
		return pool.Result{Status: pool.TimedOut, Err: err}
	default:
		return pool.Result{Status: pool.Killed, Err: err}
	}
	return pool.Result{Status: pool.Failed, Err: err}
}

func outcome(s pool.Status) Outcome {
	switch s {
	case pool.OK:
		return OK
	case pool.Retry:
		return Retried
	case pool.TimedOut:
		return TimedOut
	case pool.Killed:
		return Killed
	}
	return Failed
}
