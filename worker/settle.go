package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/worker/event/repr"
	"taskbench/worker/pool"
	"taskbench/worker/result"
	"taskbench/worker/route"
)

var errUnknownTask = errors.New("this worker knows no task of that name")

// failed ends the session after something that a sound connection does: the broker then hands out again what is
// not settled, and prefetch is not used up by it.
func (s *session) failed(what string, err error) {
	if errors.Is(err, brokers.ErrSettled) {
		return
	}
	s.lose(fmt.Errorf("%w: %s: %w", errLost, what, err))
}

// ack acknowledges an attempt's message.
func (s *session) ack(settle context.Context, a *attempt) error {
	if err := a.delivery.Ack(settle); err != nil {
		s.failed("acknowledge message "+a.key.id, err)
		return err
	}
	s.worker.observe(a.event(Acked))
	return nil
}

// end takes the attempt out of hand and decides on the deliveries that waited for it.
func (s *session) end(a *attempt, finished, acked bool) {
	a.release(s.worker)
	if a.apart {
		return
	}
	for _, settle := range s.worker.memory.end(a, finished, acked) {
		settle(finished)
	}
}

// finish settles an attempt whose message need not be run again.
func (s *session) finish(settle context.Context, a *attempt) {
	acked := a.acked || s.ack(settle, a) == nil
	s.end(a, true, acked)
}

// finishUnrun is finish for one that was not run: should the acknowledgement fail, nothing else says that it is out of hand.
func (s *session) finishUnrun(settle context.Context, a *attempt) {
	acked := a.acked || s.ack(settle, a) == nil
	if !acked {
		s.worker.observe(a.event(Returned)) // or acknowledged
	}
	s.end(a, true, acked)
}

// giveBack returns a message to the broker. On a connection that is lost, or closed before long, the broker takes it back
// by itself.
func (s *session) giveBack(settle context.Context, a *attempt) {
	w := s.worker
	if s.mayGiveBack() {
		if err := a.delivery.Nack(settle, true); err != nil {
			s.failed("give back message "+a.key.id, err)
		}
	}
	w.observe(a.event(Returned))
	w.counters.returned.Add(1)
	s.end(a, false, false)
}

// mayGiveBack tells whether messages may be given back. In a session that ends it waits, for a second in all, until the broker
// delivers no more: what is given back before that comes again at once, and each time counts as a delivery, of which
// quorum queues bear only so many.
func (s *session) mayGiveBack() bool {
	select {
	case <-s.ending:
	default:
		return true
	}
	s.calming.Do(func() {
		s.mu.Lock()
		intakes := slices.Clone(s.intakes)
		s.mu.Unlock()
		go s.rest(intakes)
	})
	<-s.rested
	return s.calm
}

// rest waits for intakes to run dry, for a second in all.
func (s *session) rest(intakes []*intake) {
	defer close(s.rested)
	timer := time.NewTimer(notice)
	defer timer.Stop()
	for _, in := range intakes {
		select {
		case <-in.dry:
		case <-timer.C:
			return
		}
	}
	s.calm = true
}

// malformed keeps a message aside that nobody can run, and tells whether the broker did so.
func (s *session) malformed(settle context.Context, a *attempt, why error) bool {
	w := s.worker
	name, id := a.job.Task.Name, a.job.Task.ID
	w.log.Error("message kept aside", "worker", w.config.Name, "queue", a.delivery.Message().Queue, "task", name, "id", id, "err", why)
	if err := a.delivery.Nack(settle, false); err != nil {
		s.failed("keep aside message "+id, err)
		w.observe(Event{Kind: Returned, ID: id, Attempt: a.job.Attempt}) // or kept aside: it is out of this worker's hands
		return false
	}
	w.observe(Event{Kind: Malformed, ID: id, Attempt: a.job.Attempt})
	w.counters.malformed.Add(1)
	return true
}

// How a retry that could not be sent is sent again.
const (
	// Reconnecting takes about as long, so that sooner there would be no other connection to try.
	sendAgain = time.Second

	// So often a retry is sent once the worker stops, which must not wait for ever for a broker that does not come
	// back. The task is then lost, and said to be.
	lastSends = 10
)

// retry sends the message of the next try and then acknowledges this one: a crash in between repeats a task and
// never loses one. It is sent on whichever connection there is, as this one's may have been lost meanwhile.
func (s *session) retry(settle context.Context, a *attempt, r pool.Result) {
	w := s.worker
	m := a.job.Task.Retry(w.now().Add(r.After))
	alive := context.WithoutCancel(settle)
	err := w.publish(alive, m)
	if a.acked || a.unsure {
		// Nobody else has the task any more, or may have it, so that this does not give up.
		if err != nil {
			w.log.Warn("retry could not be sent yet: it is tried again until the stop; see that the broker runs", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		}
		for last := lastSends; err != nil && last > 0 && !w.gaveUp.Load(); {
			if w.stopping.Load() {
				last--
			}
			w.rest(sendAgain)
			err = w.publish(alive, m)
		}
		if err != nil {
			w.log.Error("retry could not be sent before the stop: the task is lost", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		}
		w.retried(settle, a, r)
		s.end(a, true, a.acked)
		return
	}
	// The broker has this task still. While it is certain that the retry was not stored the message is held: given back it
	// would be run again, ask again, and count as delivered each time. A session that ends lets go of it. A retry that may
	// have been stored is not sent again, since each would be run.
	if brokers.Definite(err) {
		w.log.Warn("retry could not be sent yet: it is tried again, and its message held; see that the broker runs and takes messages", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
	}
	for brokers.Definite(err) && s.lasts(sendAgain) {
		err = w.publish(alive, m)
	}
	if err != nil {
		w.log.Error("retry could not be sent: the message goes back", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		s.lasts(sendAgain) // it would fail again at once
		s.giveBack(settle, a)
		return
	}
	w.retried(settle, a, r)
	s.finish(settle, a)
}

// lasts waits for so long, and tells whether the session has not ended meanwhile.
func (s *session) lasts(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ending:
		return false
	}
}

// retried tells that a task will be tried again.
func (w *Worker) retried(settle context.Context, a *attempt, r pool.Result) {
	w.options.Metrics.Retried(a.names())
	if !w.stores(a) && !w.events.Enabled() {
		return
	}
	x := exceptionOf(r)
	if w.stores(a) {
		rec := w.record(a, result.Retry)
		rec.Exception = x
		w.tryStore(settle, rec)
	}
	w.events.Retried(a.key.id, repr.Exception(x.Type, x.Args...), x.Traceback)
}

// sendBack returns a message with a new count in one of its headers: as a copy, which is stored before the original is
// acknowledged, since a message cannot be changed on its way back. The count tells the two apart.
func (s *session) sendBack(settle context.Context, a *attempt, header string, count int32) {
	w := s.worker
	m := a.job.Task.Message
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]any{}
	}
	m.Headers[header] = count
	if err := w.publish(context.WithoutCancel(settle), m); err != nil {
		w.log.Error("message could not be sent back with its new count: it goes back without", "worker", w.config.Name, "id", a.key.id, "header", header, "err", err)
		s.giveBack(settle, a)
		return
	}
	err := a.delivery.Ack(settle)
	if err != nil {
		s.failed("acknowledge message "+a.key.id, err)
	}
	w.observe(a.event(Returned))
	w.counters.returned.Add(1)
	s.end(a, true, err == nil)
}

// publish sends a message over the connection of now, which need not be the one that its task came on.
func (w *Worker) publish(ctx context.Context, m brokers.Message) error {
	s := w.current.Load()
	if s == nil {
		return errors.New("publish: there is no connection to the broker")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.broker.Publish(ctx, m)
}

// Publish sends what a task or a workflow sends, by the configured routes, over whichever connection there is now.
// Errors are those of brokers.Broker; where there is no connection, they are Definite.
func (w *Worker) Publish(ctx context.Context, m brokers.Message) error {
	s := w.current.Load()
	if s == nil {
		return brokers.Refuse(errors.New("publish: there is no connection to the broker"))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := route.Publisher{Broker: s.broker, Table: w.routes}
	if w.options.Metrics != nil {
		p.Sent = w.options.Metrics.Sent
	}
	return p.Publish(ctx, m)
}

// mostChildren bounds how many of the tasks that a task sent are named in its result.
const mostChildren = 1000

// sendFor publishes for a task.
func (s *session) sendFor(settle context.Context, a *attempt, m brokers.Message) error {
	w := s.worker
	alive := context.WithoutCancel(settle)
	if m.Headers[applyHeader] == true {
		return w.apply(alive, a, m)
	}
	if err := w.Publish(alive, m); err != nil {
		return err
	}
	if parent, _ := m.Headers["parent_id"].(string); parent == a.key.id {
		id, _ := json.Marshal(m.Headers["id"]) // a string
		a.child(json.RawMessage(`[[` + string(id) + `, null], null]`))
	}
	return nil
}

// pause waits for so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// logFailure notes a failed task. Failures are a task's own business; a panic is a mistake in the program.
func (w *Worker) logFailure(a *attempt, err error) {
	if err != nil && strings.HasPrefix(err.Error(), "panic: ") {
		w.log.Error("task panicked", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		return
	}
	w.log.Debug("task failed", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
}
