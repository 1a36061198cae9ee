package worker

import (
	"context"
	"maps"
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

// parkedHeader is when a message was last given to the broker to wait there, in milliseconds since 1970 by the worker's
// clock.
const parkedHeader = "x-taskbench-parked"

// parked is the message as it is given to the broker to wait there.
func parked(m brokers.Message, now time.Time) brokers.Message {
	headers := maps.Clone(m.Headers)
	if headers == nil { // of protocol version 1
		headers = map[string]any{}
	}
	headers[parkedHeader] = now.UnixMilli()
	m.Headers = headers
	m.Expiration = 0 // the worker looks at its expiry itself, and says so when it has come
	return m
}

// back tells whether the broker has handed out at once what it was given to keep. Then its clock and the worker's are too
// far apart for the broker to keep it, and the two would hand it to each other without end: it waits in the worker.
func back(m brokers.Message, now time.Time) bool {
	since, is := integer(m.Headers[parkedHeader])
	return is && now.Sub(time.UnixMilli(since)) < nearest
}

// park moves an attempt's message to where the broker keeps it until it is nearly due, and tells whether it did.
func (s *session) park(settle context.Context, a *attempt) bool {
	w := s.worker
	d, can := s.broker.(brokers.Delayer)
	if !can {
		return false
	}
	t := &a.job.Task
	now := w.now()
	if wait := t.ETA.Sub(now); wait < nearest || wait < horizon && s.schedule.len() < w.config.ETALimit || back(t.Message, now) {
		return false
	}
	ctx, cancel := context.WithTimeout(settle, patience)
	defer cancel()
	if err := d.Delay(ctx, parked(t.Message, now), t.ETA.Add(-lead)); err != nil {
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
