package worker

import (
	"context"
	"errors"
	"fmt"

	"taskbench/brokers"
)

var (
	errNoSend = brokers.Refuse(errors.New("this worker does not let tasks publish"))
	errOver   = brokers.Refuse(errors.New("the task has ended"))
)

// Send publishes a message for the task, over the worker's own connection, and waits until the broker has taken it:
// from a pool child, by way of its parent. Errors are as with brokers.Broker. When ctx ends first, the error is
// Definite only if nothing was sent yet. The message must not be changed afterwards. Once the task has ended, nothing
// is sent any more. Send may be called from several goroutines.
func (r *Request) Send(ctx context.Context, m brokers.Message) error {
	send := r.send
	switch {
	case send == nil:
		return wrapSend(r.Task, errNoSend)
	case r.over.Load():
		return wrapSend(r.Task, errOver)
	case ctx.Err() != nil:
		return wrapSend(r.Task, brokers.Refuse(context.Cause(ctx)))
	}
	if ctx.Done() == nil {
		return wrapSend(r.Task, send(m))
	}
	sent := make(chan error, 1)
	go func() { sent <- send(m) }()
	select {
	case err := <-sent:
		return wrapSend(r.Task, err)
	case <-ctx.Done():
		return wrapSend(r.Task, context.Cause(ctx))
	}
}

func wrapSend(task string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("task %s: send: %w", task, err)
}
