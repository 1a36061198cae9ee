package oracle

import (
	"slices"
	"time"

	"taskbench/harness/ledger"
)

// publish is one task's publish: what the broker does with it, and what the publisher learns.
func (s *sim) publish(seq uint64) {
	f := s.of(seq)
	f.began = s.now
	s.rec.PublishStart(seq, s.now)
	f.publish = ledger.PublishOK
	stored := true
	switch n := s.rng.IntN(1000); {
	case s.mute:
		f.publish, stored = ledger.PublishUnknown, false
	case n < 3:
		f.publish = ledger.PublishUnknown // the confirm is lost,
	case n < 6:
		f.publish, stored = ledger.PublishUnknown, false // or the message is
	case n < 9:
		f.publish, stored = ledger.PublishFailed, false
	case s.oneIn(s.bugs.Phantom):
		stored = false
	case s.oneIn(s.bugs.Swallow):
		f.publish = ledger.PublishUnknown
	case s.oneIn(s.bugs.Deny):
		f.publish = ledger.PublishFailed
	}
	s.after(200*ms/1000, func() {
		f.confirmed = s.now
		s.rec.PublishEnd(seq, s.now, f.publish)
		if !stored || s.oneIn(s.bugs.Drop) {
			return
		}
		if s.oneIn(s.bugs.Reorder) {
			s.after(20*ms, func() { s.store(message{seq: seq}) })
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
	d.settled, d.ackedAt = true, s.now
	if d.completed && s.oneIn(s.bugs.Redeliver) {
		s.after(ms, func() { s.store(d.message) })
	}
}

// dispatch hands messages to workers that have room.
func (s *sim) dispatch() {
	if s.now < s.frozen || s.closed {
		return
	}
	for {
		i := 0
		if s.now < s.starving {
			i = slices.IndexFunc(s.queue, func(m message) bool { return s.terms(m.seq).Queue != "b" })
		}
		w := s.roomiest()
		if w == nil || i < 0 || i >= len(s.queue) {
			return
		}
		m := s.queue[i]
		s.queue = slices.Delete(s.queue, i, i+1)
		w.receive(m)
	}
}

func (s *sim) roomiest() *worker {
	var best *worker
	for _, w := range s.workers {
		if w.alive && w.busy() < slots && (best == nil || w.busy() < best.busy()) {
			best = w
		}
	}
	return best
}

// kill ends a worker and its children at once. The broker gives out again what it had not acknowledged.
func (s *sim) kill(i int) {
	w := s.workers[i]
	w.alive, s.faulted = false, true
	span := ledger.FaultSpan{Fault: "kill", Node: s.meta.Nodes[i+1], At: s.now - s.start, InEffect: s.now - s.start, Ends: true}
	s.after(500*ms, func() {
		span.Healed = s.now - s.start
		s.meta.Faults = append(s.meta.Faults, span)
		s.employ(i)
	})
	wait := int64(time.Second)
	if s.bugs.BackAfter > 0 {
		wait = int64(s.bugs.BackAfter)
	}
	for _, d := range w.hands {
		f := s.of(d.seq)
		f.running -= d.running
		if d.settled {
			continue
		}
		f.deadAt = s.now
		if !s.bugs.NeverBack {
			s.after(wait, func() { s.back(d.message) })
		}
	}
}

// cut ends every connection. Workers go on with what they have and cannot settle it; the broker hands it out again.
func (s *sim) cut() {
	const length = 300 * ms
	s.faulted = true
	span := ledger.FaultSpan{Fault: "disconnect", Node: "broker", At: s.now - s.start, InEffect: s.now - s.start}
	s.frozen = max(s.frozen, s.now+length)
	for _, w := range s.workers {
		for _, d := range w.hands {
			if !d.settled {
				d.cut = true
				s.queue = append(s.queue, d.message)
			}
		}
	}
	s.after(length, func() {
		span.Healed = s.now - s.start
		s.meta.Faults = append(s.meta.Faults, span)
		s.queue = slices.DeleteFunc(s.queue, func(message) bool { return s.oneIn(s.bugs.CutLoses) })
		if s.bugs.CutMute {
			s.mute = true
			s.sum["unrecovered"]++
		}
		if s.bugs.CutStalls > 0 {
			s.sum["stall"]++
			s.sum["unrecovered"]++
			s.freeze(int64(s.bugs.CutStalls))
		}
		s.dispatch()
	})
}
