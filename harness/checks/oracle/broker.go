package oracle

import "taskbench/harness/ledger"

// publish is one task's publish: what the broker does with it, and what the publisher learns.
func (s *sim) publish(seq uint64) {
	f := s.of(seq)
	s.rec.PublishStart(seq, s.now)
	f.publish = ledger.PublishOK
	stored := true
	switch n := s.rng.IntN(1000); {
	case n < 3:
		f.publish = ledger.PublishUnknown // the confirm is lost,
	case n < 6:
		f.publish, stored = ledger.PublishUnknown, false // or the message is
	case n < 9:
		f.publish, stored = ledger.PublishFailed, false
	case s.oneIn(s.bugs.Phantom):
		stored = false
	case s.oneIn(s.bugs.Deny):
		f.publish = ledger.PublishFailed
	}
	s.after(200*ms/1000, func() {
		s.rec.PublishEnd(seq, s.now, f.publish)
		if !stored || s.oneIn(s.bugs.Drop) {
			return
		}
		s.store(message{seq: seq})
		if s.oneIn(s.bugs.Repeat) {
			s.store(message{seq: seq})
		}
		if s.oneIn(s.bugs.Invent) {
			s.invented++
			s.store(message{seq: uint64(s.tasks) + 1000*s.invented})
		}
	})
}

func (s *sim) store(m message) {
	s.queue = append(s.queue, m)
	s.dispatch()
}

// back takes a message that was not settled.
func (s *sim) back(m message) {
	if s.oneIn(s.bugs.DropBack) {
		return
	}
	s.store(m)
}

// settle removes a message for good, or should.
func (s *sim) settle(d *delivery) {
	s.of(d.seq).acked = s.of(d.seq).acked || d.completed
	d.settled = true
	if d.completed && s.oneIn(s.bugs.Redeliver) {
		s.after(ms, func() { s.store(d.message) })
	}
}

// dispatch hands messages to workers that have room.
func (s *sim) dispatch() {
	for len(s.queue) > 0 && s.now >= s.frozen && !s.closed {
		w := s.roomiest()
		if w == nil {
			return
		}
		m := s.queue[0]
		s.queue = s.queue[1:]
		w.receive(m)
	}
}

func (s *sim) roomiest() *worker {
	var best *worker
	for _, w := range s.workers {
		if w.alive && len(w.hands) < slots && (best == nil || len(w.hands) < len(best.hands)) {
			best = w
		}
	}
	return best
}
