package worker

import (
	"context"
	"time"

	"taskbench/brokers"
)

// Which tasks wait in the broker rather than in the worker, where the broker can have them wait: those that are due
// far in the future, which some brokers would not let anybody hold for so long, and those beyond the number that the
// worker holds. None waits in the broker for its last moments, since brokers are not that punctual.
const (
	horizon = 10 * time.Minute
	nearest = 5 * time.Second
	lead    = 2 * time.Second // they come back so much earlier
)

// park moves an attempt's message to where the broker keeps it until it is nearly due, and tells whether it did.
func (s *session) park(settle context.Context, a *attempt) bool {
	w := s.worker
	d, can := s.broker.(brokers.Delayer)
	if !can {
		return false
	}
	t := &a.job.Task
	if wait := time.Until(t.ETA); wait < nearest || wait < horizon && s.schedule.len() < w.config.ETALimit {
		return false
	}
	m := t.Message
	m.Expiration = 0 // the worker looks at its expiry itself, and says so when it has come
	ctx, cancel := context.WithTimeout(settle, patience)
	defer cancel()
	if err := d.Delay(ctx, m, t.ETA.Add(-lead)); err != nil {
		if brokers.Definite(err) {
			w.log.Warn("message with a time to come cannot wait in the broker: it waits in the worker", "worker", w.config.Name, "id", a.key.id, "err", err)
			return false
		}
		s.failed("have message "+a.key.id+" wait", err) // it may be there twice, and waits as one
		w.observe(a.event(Returned))
		s.end(a, false, false)
		return true
	}
	if err := a.delivery.Ack(settle); err != nil {
		s.failed("acknowledge message "+a.key.id, err)
	}
	w.observe(a.event(Returned))
	w.counters.parked.Add(1)
	s.end(a, false, false)
	return true
}
