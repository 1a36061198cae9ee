package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"taskbench/worker/rate"
)

// A TaskOption says how one task is to be treated where that differs from what the worker's Config says for all. What
// a message says of itself goes before both.
type TaskOption func(*taskOptions)

type taskOptions struct {
	acks                               AckPolicy
	soft, hard                         time.Duration
	limit                              *rate.Limit
	retries                            *int
	auto                               []autoRetry
	ignore, track, reject, acksFailure *bool
}

type autoRetry struct {
	match   func(error) bool
	backoff Backoff
}

// Acks sets when the task's messages are acknowledged.
func Acks(p AckPolicy) TaskOption { return func(o *taskOptions) { o.acks = p } }

// SoftLimit is how long an attempt may take before its context ends, with ErrTimeLimit as the cause.
func SoftLimit(d time.Duration) TaskOption { return func(o *taskOptions) { o.soft = d } }

// HardLimit is how long an attempt may take before it is cut off: its process is killed, in a prefork pool; elsewhere
// it is abandoned.
func HardLimit(d time.Duration) TaskOption { return func(o *taskOptions) { o.hard = d } }

// RateLimit paces the starts of the task on each worker: "10/m", "5/s", "100/h"; "0" is no limit. One that cannot be
// read is a programming error: RateLimit panics.
func RateLimit(limit string) TaskOption {
	l, err := rate.Parse(limit)
	if err != nil {
		panic("worker: " + err.Error())
	}
	return func(o *taskOptions) { o.limit = &l }
}

// MaxRetries bounds the retries of a task that asks for one and does not say. Below 0 is no bound.
func MaxRetries(n int) TaskOption { return func(o *taskOptions) { o.retries = &n } }

// AutoRetry tries a task again that fails with an error that matches, after a pause that grows. It may be given
// several times: the first that matches counts. Attempts that were cut off are not matched.
func AutoRetry(match func(error) bool, b Backoff) TaskOption {
	return func(o *taskOptions) { o.auto = append(o.auto, autoRetry{match, b}) }
}

// IgnoreResult has nothing stored of the task, whatever a Results backend could take.
func IgnoreResult(yes bool) TaskOption { return func(o *taskOptions) { o.ignore = &yes } }

// TrackStarted has a record of state STARTED stored when an attempt starts.
func TrackStarted(yes bool) TaskOption { return func(o *taskOptions) { o.track = &yes } }

// RejectOnWorkerLost says what becomes of a task, acknowledged late, whose process was lost: it goes back to the queue
// with one more death on its count (yes, the default), or has failed (no, as Celery has it unless told otherwise).
func RejectOnWorkerLost(yes bool) TaskOption { return func(o *taskOptions) { o.reject = &yes } }

// AcksOnFailureOrTimeout says what becomes of the message, acknowledged late, of an attempt that failed or reached its
// hard limit: it is acknowledged (yes, the default); or (no) it is dead-lettered after a failure, and after a time
// limit goes back to the queue with one more death on its count.
func AcksOnFailureOrTimeout(yes bool) TaskOption {
	return func(o *taskOptions) { o.acksFailure = &yes }
}

// A Backoff is how the pauses between retries grow: twice as long each time.
type Backoff struct {
	Base   time.Duration // the first one; 0 is a second
	Max    time.Duration // no pause is longer; 0 is ten minutes
	Jitter bool          // take anything from none to all of the pause, by chance from the task's id
}

// Pause is how long to wait after so many retries of the task of this id.
func (b Backoff) Pause(id string, retries int) time.Duration {
	if b.Base <= 0 {
		b.Base = time.Second
	}
	if b.Max <= 0 {
		b.Max = 10 * time.Minute
	}
	pause := b.Max
	if retries < 62 && b.Base<<retries>>retries == b.Base {
		pause = min(pause, b.Base<<retries)
	}
	if b.Jitter {
		seed := fnv.New64a()
		_, _ = seed.Write([]byte(id)) // a hash takes everything
		pause = time.Duration(rand.New(rand.NewPCG(seed.Sum64(), uint64(retries))).Int64N(int64(pause) + 1))
	}
	return pause
}

// wrap gives a function the behaviour that its options ask for in the process that runs it.
func (o *taskOptions) wrap(f Func) Func {
	return func(ctx context.Context, r *Request) (any, error) {
		v, err := f(ctx, r)
		if err != nil {
			err = o.judge(ctx, r, carry(err))
		}
		return v, err
	}
}

// judge turns an error that asks for a retry, or is to be answered by one, into a *RetryError that is complete.
func (o *taskOptions) judge(ctx context.Context, r *Request, err error) error {
	again, asked := errors.AsType[*RetryError](err)
	if !asked {
		i := slices.IndexFunc(o.auto, func(a autoRetry) bool { return a.match(err) })
		if i < 0 || ctx.Err() != nil {
			return err
		}
		again = &RetryError{After: o.auto[i].backoff.Pause(r.ID, r.Retries), Cause: err}
		err = again
	}
	switch {
	case o.retries == nil || again.Max != 0:
		return err
	case *o.retries == 0 && again.Cause != nil:
		return again.Cause
	case *o.retries == 0:
		return fmt.Errorf("a retry was asked for, and the task allows none: %s", again.Error())
	}
	bounded := *again
	bounded.Max = *o.retries
	return &bounded
}
