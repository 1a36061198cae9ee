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
// Definite only if nothing was sent yet; an attempt does not end before what it has begun to send is sent or refused.
// The message must not be changed afterwards. Once the task has ended, nothing is sent any more. Send may be called from
// several goroutines.
func (r *Request) Send(ctx context.Context, m brokers.Message) error {
	switch {
	case r.send == nil:
		return wrapSend(r.Task, errNoSend)
	case ctx.Err() != nil:
		return wrapSend(r.Task, brokers.Refuse(context.Cause(ctx)))
	case !r.beginSend():
		return wrapSend(r.Task, errOver)
	}
	send := func() error {
		defer r.sends.Done()
		return r.send(m)
	}
	if ctx.Done() == nil {
		return wrapSend(r.Task, send())
	}
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	select {
	case err := <-sent:
		return wrapSend(r.Task, err)
	case <-ctx.Done():
		return wrapSend(r.Task, context.Cause(ctx))
	}
}

// beginSend counts one in, unless the task has ended.
func (r *Request) beginSend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.sends.Add(1)
	}
	return !r.over
}

// end is called when the task's function has returned. It waits for what is being sent: that belongs to this attempt,
// and not to the next one in its place.
func (r *Request) end() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.sends.Wait()
}

func wrapSend(task string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("task %s: send: %w", task, err)
}
