package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"taskbench/worker/message"
	"taskbench/worker/pool"
	"taskbench/worker/result"
)

// ErrSoftLimit and ErrHardLimit are causes of a task context that ended because a time limit was reached; both are
// ErrTimeLimit. After the soft limit the task may still return what it has; at the hard limit it is given up.
var (
	ErrTimeLimit = pool.ErrTimeLimit
	ErrSoftLimit = pool.ErrSoftLimit
	ErrHardLimit = pool.ErrHardLimit
)

// ErrRevoked is the cause of a task context that ended because the task was revoked while it ran.
var ErrRevoked = pool.ErrRevoked

// ErrStopped is the cause of a task context that ended because the worker stopped and its grace was over. In a
// pool child the cause has the same text.
var ErrStopped = errors.New("the worker stopped and its grace was over")

// celeryModule is where Python finds Celery's own exceptions.
const celeryModule = "celery.exceptions"

// maxValue is the most bytes that an encoded result may have: as much as Redis keeps under one key.
const maxValue = 512 << 20

// A runner carries out attempts in this process.
type runner struct {
	registry *Registry
	observer Observer
	clock    Clock
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
	if !t.Expires.IsZero() && !r.clock.now().Before(t.Expires) {
		return pool.Result{Status: pool.Expired}
	}
	r.observer.Observe(Event{Kind: Started, ID: t.ID, Attempt: j.Attempt})
	if j.Started != nil {
		j.Started()
	}
	settle := func() {}
	if soft, _ := j.Limits(); soft > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, soft, ErrSoftLimit)
		defer cancel()
		settle = r.witness(ctx, j)
	}
	request := &Request{
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
		send:        j.Send,
	}
	value, err := call(ctx, f, request)
	request.end()
	settle()
	var ended pool.Result
	if err == nil {
		ended = returned(value)
	} else {
		ended = judge(ctx, t, err)
	}
	if j.Ended == nil || j.Ended(ended) {
		r.observer.Observe(Event{Kind: Finished, ID: t.ID, Attempt: j.Attempt, Outcome: outcome(ended.Status)})
	}
	return ended
}

// witness observes that the task is told of its soft limit, by the means by which the task itself is. What it returns ends
// that, once an observation that has begun is made: what is told after the task's end, it was not told.
func (r runner) witness(ctx context.Context, j *pool.Job) (settle func()) {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		if errors.Is(context.Cause(ctx), ErrSoftLimit) {
			r.observer.Observe(Event{Kind: Told, ID: j.Task.ID, Attempt: j.Attempt})
		}
	})
	return func() {
		if !stop() {
			<-told
		}
	}
}

// panicked is a task's panic as an error.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// call survives the task's panic.
func call(ctx context.Context, f Func, r *Request) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, string(debug.Stack())}
		}
	}()
	return f(ctx, r)
}

// returned is what becomes of a task that returned no error. One whose value cannot be kept has failed, and done its
// work all the same: it must not be taken for one to be run again.
func returned(value any) pool.Result {
	if value == nil {
		return pool.Result{Status: pool.OK}
	}
	raw, err := encode(value)
	if err == nil && len(raw) > maxValue {
		err = fmt.Errorf("it takes %d bytes, and %d is the most", len(raw), maxValue)
	}
	if err != nil {
		err = fmt.Errorf("the task ran to its end and is not run again, but its result cannot be encoded: %w", err)
		return pool.Result{Status: pool.Failed, Err: err, Exception: result.NewException("kombu.exceptions", "EncodeError", err.Error())}
	}
	return pool.Result{Status: pool.OK, Value: raw}
}

// encode survives the panic of a value that encodes itself.
func encode(value any) (raw json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return json.Marshal(value)
}

// judge says what a function's error means.
func judge(ctx context.Context, t *message.Task, err error) pool.Result {
	if again, ok := errors.AsType[*RetryError](err); ok {
		return judgeRetry(t, again, err)
	}
	ended := pool.Result{Status: pool.Failed, Err: err, Exception: exception(err)}
	switch cause := context.Cause(ctx); {
	case cause == nil:
	case errors.Is(cause, ErrTimeLimit):
		ended.Status = pool.TimedOut
		if gaveUp(err) {
			ended.Exception = result.NewException("billiard.exceptions", "SoftTimeLimitExceeded")
		}
	case errors.Is(cause, ErrRevoked):
		ended.Status, ended.Terminated = pool.Killed, true
		ended.Exception = result.NewException(celeryModule, "TaskRevokedError", "terminated")
	default:
		ended.Status = pool.Killed
	}
	return ended
}

// gaveUp tells whether a task's error is no more than its context's end.
func gaveUp(err error) bool {
	return errors.Is(err, ErrTimeLimit) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func judgeRetry(t *message.Task, again *RetryError, err error) pool.Result {
	most := again.Max
	if most == 0 {
		most = DefaultRetries
	}
	ended := pool.Result{Status: pool.Retry, Err: err, After: max(again.After, 0)}
	if most >= 0 && t.Retries >= most {
		ended = pool.Result{Status: pool.Failed, Err: fmt.Errorf("retried %d times: %w", t.Retries, err)}
	}
	switch {
	case again.Cause != nil:
		ended.Exception = exception(again.Cause)
	case ended.Status == pool.Retry:
		ended.Exception = result.NewException(celeryModule, "Retry", again.Error())
	default:
		ended.Exception = result.NewException(celeryModule, "MaxRetriesExceededError", fmt.Sprintf("Can't retry %s[%s]: it was retried %d times", t.Name, t.ID, t.Retries))
	}
	return ended
}

// exception is an error in the form in which results keep it.
func exception(err error) *result.Exception {
	if p, ok := errors.AsType[*panicked](err); ok {
		x := result.NewException(result.Builtins, "Exception", fmt.Sprintf("panic: %v", p.value))
		x.Traceback = p.stack
		return x
	}
	x := *result.FromError(err)
	if x.Traceback == "" { // a Go error has no stack, and whoever reads a failure looks for its story there
		x.Traceback = fmt.Sprintf("Traceback (most recent call last):\n  %s\n%s\n", err, x.Error())
	}
	return &x
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
