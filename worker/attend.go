package worker

import (
	"context"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/worker/control"
	"taskbench/worker/event"
	"taskbench/worker/logging"
)

// How long work waits for what goes beside it: for the last events of a session to be published, and for the mailbox
// to be open before the first task is taken, since who sees a worker expects it to heed a command.
const (
	farewell = time.Second
	greeting = time.Second
)

// attend publishes events and answers remote control on a connection. What it returns ends both, once it has said that
// the worker leaves where it does.
func (w *Worker) attend(ctx context.Context, b brokers.Broker) (leave func(offline bool)) {
	x, can := b.(brokers.Exchanger)
	if !can {
		return func(bool) {}
	}
	alive := ctx
	ctx, end := context.WithCancel(context.WithoutCancel(ctx)) // a worker that stops still answers
	var both sync.WaitGroup
	if !w.config.Silent {
		both.Go(func() { w.events.Run(ctx, x) })
	}
	if said(w.config.RemoteControl, true) {
		open := make(chan struct{})
		both.Go(func() { w.answer(ctx, x, sync.OnceFunc(func() { close(open) })) })
		select {
		case <-open:
		case <-time.After(greeting):
		case <-alive.Done():
		}
		if !w.config.WithoutMingle {
			both.Go(func() { w.mingle(ctx, x) })
		}
	}
	return func(offline bool) {
		if offline && !w.config.Silent {
			last, cancel := context.WithTimeout(ctx, farewell)
			defer cancel()
			if err := w.events.Stop(last); err != nil {
				w.log.Warn("events of the end were not published", "worker", w.config.Name, "err", err)
			}
		}
		end()
		done := make(chan struct{})
		go func() { both.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(farewell):
		}
	}
}

// answer serves remote control on one connection, again whenever its mailbox alone was lost, and calls ready each time
// that commands are heard.
func (w *Worker) answer(ctx context.Context, x brokers.Exchanger, ready func()) {
	node := &control.Node{Name: w.config.Name, Handlers: w.handlers(), Clock: w.clock, Log: logging.For(w.options.Log, "control"), Ready: ready}
	for ctx.Err() == nil {
		if err := node.Serve(ctx, x); err != nil && ctx.Err() == nil {
			w.log.Warn("no remote control: it is tried again", "worker", w.config.Name, "err", err)
			pause(ctx, lastBackoff)
		}
	}
}

// mingle learns what the other workers have revoked, while this one begins to work already: a task that was revoked
// before this worker was started, and comes to it in its first moments, may be run.
func (w *Worker) mingle(ctx context.Context, x brokers.Exchanger) {
	ids, err := control.Mingle(ctx, x, control.Request{Clock: w.clock}, w.config.Name, w.revoked.IDs())
	if err != nil && ctx.Err() == nil {
		w.log.Warn("what the other workers have revoked is not known", "worker", w.config.Name, "err", err)
	}
	if len(ids) > 0 {
		w.learn(ids)
	}
}

// newSender makes the worker's sender of events.
func (w *Worker) newSender() *event.Sender {
	s := event.NewSender(event.Options{Hostname: w.config.Name, Clock: w.clock, Status: w.status, Log: logging.For(w.options.Log, "events")})
	if w.config.SendEvents && !w.config.Silent {
		s.Enable()
	}
	return s
}
