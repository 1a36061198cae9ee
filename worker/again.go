package worker

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

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
		e.Kind = Returned // or acknowledged: it is out of this worker's hands
		w.observe(e)
		return
	}
	w.memory.tell(s, k) // it may not have arrived, either
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
	a.reset(d, number)
	a.job.Redelivered = true
	m := d.Message()
	a.job.Task, _ = message.Read(m, s.worker.options.Accept...) // read before
	t := a.job.Task
	a.task = s.worker.tasks[t.Name]
	a.key = keyOf(&t)
	if s.admit(ctx, settle, a, true) {
		s.start(ctx, settle, a)
	}
}

// lookUp is how long a redelivered message waits for what the backend knows of its task.
const lookUp = 2 * time.Second

// succeededBefore acknowledges a message whose task has succeeded, here or elsewhere, according to the backend: one
// that was redelivered, or a chord's body, which may have been sent twice. Where the worker that ran it may not have come to tell a chord, the chord is told again.
func (s *session) succeededBefore(settle context.Context, a *attempt) bool {
	w := s.worker
	once := a.job.Task.Message.Headers[canvas.HeaderOnce] == true
	if w.options.Results == nil || !once && (a.task.early || !said(w.config.Deduplicate, true)) {
		return false
	}
	var r result.Record
	get := func(ctx context.Context) (err error) {
		r, err = w.options.Results.Get(ctx, a.key.id)
		return err
	}
	if once { // it must not run twice because the backend is down for a moment
		if !s.persist(settle, a, get) {
			return true
		}
	} else {
		ctx, cancel := context.WithTimeout(settle, lookUp)
		defer cancel()
		if get(ctx) != nil {
			return false
		}
	}
	if r.State != result.Success {
		return false
	}
	if !s.persist(settle, a, func(ctx context.Context) error { return w.stored(ctx, a, r) }) {
		return true
	}
	w.counters.deduplicated.Add(1)
	w.log.Info("message of a task that has succeeded acknowledged without running it again", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id)
	s.finishUnrun(settle, a)
	return true
}
