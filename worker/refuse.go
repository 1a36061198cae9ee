package worker

import (
	"context"
	"encoding/json"
	"time"

	"taskbench/worker/result"
)

// ErrIgnore, returned by a task's function, ends the task without a result: its state stays what it was, and its
// message is acknowledged.
var ErrIgnore error = ignored{}

// ErrReject, returned by a task's function, refuses the message of a task that is acknowledged late. It is dead-lettered
// or, with Requeue, goes back to its queue; not at once, but after a second, so that a task that always refuses cannot
// keep the broker busy. With early acknowledgement nothing of this has an effect. No result is stored.
type ErrReject struct {
	Requeue bool
	Reason  string
}

func (e ErrReject) Error() string {
	if e.Reason == "" {
		return "the task refused its message"
	}
	return "the task refused its message: " + e.Reason
}

// Unwrap shows the error as Celery's exception of the same meaning, which is how it comes out of a pool child.
func (e ErrReject) Unwrap() error {
	reason, _ := json.Marshal(e.Reason) // a string always encodes
	requeue, _ := json.Marshal(e.Requeue)
	return &result.Exception{Type: "Reject", Module: "celery.exceptions", Args: []json.RawMessage{reason, requeue}}
}

type ignored struct{}

func (ignored) Error() string { return "the task asked to be ignored" }

func (ignored) Unwrap() error {
	return &result.Exception{Type: "Ignore", Module: "celery.exceptions"}
}

func isIgnore(x *result.Exception) bool {
	return x.Type == "Ignore" && x.Module == "celery.exceptions"
}

func isReject(x *result.Exception) bool {
	return x.Type == "Reject" && x.Module == "celery.exceptions"
}

// requeueDelay is how long a message that its task refuses is held before it goes back.
const requeueDelay = time.Second

// mostReturns is how often a message is handed out before it goes back as a copy. A broker may bound that by itself, and drop
// what comes to its bound: that of RabbitMQ's quorum queues is 20, of which what workers merely had in hand takes some.
func (w *Worker) mostReturns() int {
	const most = 10
	if own := w.config.MaxDeliveries; own > 0 {
		return min(own/2, most)
	}
	return most
}

// reject settles a message that its task refuses.
func (s *session) reject(ctx, settle context.Context, a *attempt, x *result.Exception) {
	w := s.worker
	requeue := len(x.Args) > 1 && string(x.Args[1]) == "true"
	var why ErrReject
	if len(x.Args) > 0 {
		_ = json.Unmarshal(x.Args[0], &why.Reason) // a Python task's may be anything
	}
	switch {
	case a.acked:
		s.end(a, true, true)
	case requeue:
		w.rejectedEvent(a, true)
		pause(ctx, requeueDelay) // not in the pool, and no longer than the session
		if ctx.Err() == nil && a.deliveries() > w.mostReturns() {
			s.sendBack(settle, a, returnsHeader, a.key.returns+1) // the broker's count begins anew: it may ask for this as often as it likes
			return
		}
		s.giveBack(settle, a)
	default:
		w.rejectedEvent(a, false)
		s.end(a, s.malformed(settle, a, why), true)
	}
}
