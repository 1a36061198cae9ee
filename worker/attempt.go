package worker

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/pool"
)

// deathsHeader counts the starts of a message that killed their pool child. It travels with the message, so that
// the count outlives workers; only what was started is counted, never what was merely prefetched.
const deathsHeader = "x-taskbench-deaths"

// An attempt is one delivery in hand. It belongs to a lane, which uses it again for the next delivery.
type attempt struct {
	session  *session
	delivery brokers.Delivery
	job      pool.Job
	key      key
	acked    bool         // early, and the broker was told
	apart    bool         // not known to the worker's memory
	held     []func(bool) // the memory's
	started  func()       // for job.Started, where acknowledgements are early
}

func (s *session) attempt(settle context.Context) *attempt {
	a := &attempt{session: s}
	if s.worker.config.Acks == Early {
		a.started = func() { a.acked = s.ack(settle, a) == nil }
	}
	return a
}

// event makes one of this attempt.
func (a *attempt) event(k EventKind) Event {
	return Event{Kind: k, ID: a.job.Task.ID, Attempt: a.job.Attempt}
}

func (w *Worker) observe(e Event) { w.observer.Observe(e) }

// take follows a delivery from its receipt to its settling. False says that the attempt was put on the schedule.
func (s *session) take(ctx, settle context.Context, a *attempt, d brokers.Delivery) bool {
	w := s.worker
	m := d.Message()
	a.delivery, a.acked, a.apart = d, false, false
	a.job.Attempt = w.counters.attempts.Add(1)
	a.job.Redelivered = d.Redelivered()
	a.job.Started = a.started
	w.counters.received.Add(1)
	t, err := message.Read(m, w.options.Accept...)
	a.job.Task = t
	if err != nil {
		s.malformed(settle, a, err)
		return true
	}
	if w.options.Registry.funcs[t.Name] == nil {
		s.malformed(settle, a, errUnknownTask)
		return true
	}
	deaths := deathsOf(m)
	a.key = key{id: t.ID, retries: int32(t.Retries), deaths: deaths}
	w.observe(a.event(Received))
	if !s.admit(ctx, settle, a, a.job.Redelivered) {
		return true
	}
	a.job.Redelivered = a.job.Redelivered || deaths > 0
	return s.start(ctx, settle, a)
}

// start runs an admitted attempt, at once or when it is due. False says that it was put on the schedule.
func (s *session) start(ctx, settle context.Context, a *attempt) bool {
	if eta := a.job.Task.ETA; !eta.IsZero() && time.Until(eta) > 0 {
		if s.schedule.add(a) {
			return false
		}
		s.giveBack(settle, a)
		return true
	}
	s.execute(ctx, settle, a)
	return true
}

// deathsOf reads the count from a message. Anything but a count is none.
func deathsOf(m brokers.Message) int32 {
	switch n := m.Headers[deathsHeader].(type) {
	case nil:
		return 0
	case int64:
		return int32(n)
	case int32:
		return n
	case int:
		return int32(n)
	case float64:
		return int32(n)
	}
	return 0
}

// admit tells whether the delivery is to be run. One that was run before is acknowledged, and one that runs already
// waits for that to end.
func (s *session) admit(ctx, settle context.Context, a *attempt, redelivered bool) bool {
	w := s.worker
	for {
		switch w.memory.begin(a, redelivered) {
		case fresh:
			return true
		case apart:
			a.apart = true
			return true
		case finished:
			s.skip(settle, a.delivery, a.event(Acked), a.key)
			return false
		case busy:
			d, e, k := a.delivery, a.event(Acked), a.key
			if w.memory.hold(k, func(finished bool) { s.resume(ctx, settle, d, e, k, finished) }) {
				w.log.Info("redelivered message of a running attempt held until that ends", "worker", w.config.Name, "task", a.job.Task.Name, "id", k.id)
				return false
			}
		}
	}
}

// skip acknowledges a delivery whose task was run under another one.
func (s *session) skip(settle context.Context, d brokers.Delivery, e Event, k key) {
	w := s.worker
	if err := d.Ack(settle); err != nil {
		w.memory.unheard(k) // and so again with the next one
		s.failed("acknowledge message "+k.id, err)
		return
	}
	w.observe(e)
	w.counters.deduplicated.Add(1)
	w.log.Info("redelivered message of a finished attempt acknowledged without running it again", "worker", w.config.Name, "id", k.id)
}

// resume decides on a held delivery once the attempt that it waited for has ended.
func (s *session) resume(ctx, settle context.Context, d brokers.Delivery, e Event, k key, finished bool) {
	if finished {
		s.skip(settle, d, e, k)
		return
	}
	s.worker.lanes.Add(1) // while the caller's own lane counts
	go func() {
		defer s.worker.lanes.Done()
		s.takeAgain(ctx, settle, d, e.Attempt)
	}()
}

// takeAgain runs a delivery that was received before, as the same attempt.
func (s *session) takeAgain(ctx, settle context.Context, d brokers.Delivery, number uint64) {
	a := s.attempt(settle)
	a.delivery = d
	a.job.Attempt, a.job.Redelivered, a.job.Started = number, true, a.started
	m := d.Message()
	a.job.Task, _ = message.Read(m, s.worker.options.Accept...) // read before
	t := a.job.Task
	a.key = key{id: t.ID, retries: int32(t.Retries), deaths: deathsOf(m)}
	if s.admit(ctx, settle, a, true) {
		s.start(ctx, settle, a)
	}
}

// execute runs an admitted attempt and settles it.
func (s *session) execute(ctx, settle context.Context, a *attempt) {
	w := s.worker
	r := (*w.pool.Load()).Run(ctx, &a.job)
	switch r.Status {
	case pool.Unstarted:
		s.giveBack(settle, a)
		return
	case pool.Malformed:
		s.end(a, s.malformed(settle, a, r.Err), true)
		return
	case pool.Expired:
		w.counters.expired.Add(1)
		s.finish(settle, a)
		return
	}
	w.counters.started.Add(1)
	if r.PID != 0 { // the child may not have come to observe it; if it has, this says the same again
		e := a.event(Finished)
		e.Outcome, e.PID = outcome(r.Status), r.PID
		w.observe(e)
	}
	switch r.Status {
	case pool.OK:
		w.counters.succeeded.Add(1)
	case pool.Failed, pool.TimedOut:
		w.counters.failed.Add(1)
		w.logFailure(a, r.Err)
	case pool.Retry:
		w.counters.retried.Add(1)
		s.retry(settle, a, r)
		return
	case pool.Killed:
		w.counters.killed.Add(1)
		s.killed(settle, a, r)
		return
	}
	s.finish(settle, a)
}
