package oracle

import (
	"slices"

	"taskbench/harness/ledger"
)

// fate is what really became of a task, as the side that planted the bugs knows it.
type fate struct {
	kind                      uint8
	due, began, confirmed     int64
	publish                   ledger.PublishOutcome
	delivered, afterAck       int
	begun, running, completed int
	retries, stored, aside    int
	acked, concurrent         bool
	unrun, buried             bool
	ended                     bool  // the run that began last came to an end of its own
	deadAt                    int64 // when a worker died that held it; 0 once it came back
	body                      *chord
}

func (s *sim) of(seq uint64) *fate {
	f := s.fate[seq]
	if f == nil {
		f = &fate{}
		s.fate[seq] = f
	}
	return f
}

// A key is what an order holds for.
type key struct {
	queue string
	kind  uint8
	n     uint64
}

// turns is when the tasks of one key were handed out: the latest begin of a publish among those before now, and now.
type turns struct{ now, before, latest int64 }

// A hold is a message that was handed out again while another delivery of it was in hand.
type hold struct{ held, again *delivery }

// slack is how far apart the clocks of two processes may seem to the checks.
const slack = ms / 10

// handed notes that a message goes to a worker.
func (s *sim) handed(d *delivery) {
	f := s.of(d.seq)
	t := s.terms(d.seq)
	if f.delivered == 0 && f.publish == ledger.PublishOK && t.ETA == 0 {
		k := key{queue: t.Queue}
		if t.Keys > 0 {
			k = key{kind: f.kind, n: d.seq % uint64(t.Keys)}
		}
		g := s.keys[k]
		if g == nil {
			g = &turns{}
			s.keys[k] = g
		}
		if g.now < s.now {
			g.now, g.before = s.now, max(g.before, g.latest)
		}
		if g.before > f.confirmed {
			s.sum["order"]++
		}
		g.latest = max(g.latest, f.began)
	}
	f.delivered++
	if f.acked {
		f.afterAck++
	}
	if f.deadAt != 0 {
		if s.now > f.deadAt+60_000*ms {
			s.sum["redelivered-late"]++
		}
		f.deadAt = 0
	}
	if f.publish != ledger.PublishOK || s.faulted {
		return
	}
	for _, w := range s.workers {
		for _, held := range w.hands {
			if held.seq == d.seq && !held.settled {
				s.holds = append(s.holds, hold{held, d})
			}
		}
	}
}

// started notes that a run begins.
func (s *sim) started(d *delivery) {
	f, t := s.of(d.seq), s.terms(d.seq)
	const drift = 20 * ms
	if t.ETA > 0 && s.now < f.due+t.ETA-drift {
		s.sum["eta-early"]++
	}
	if t.ETA > 0 && f.begun == 0 && !s.faulted && s.now > max(f.due+t.ETA, f.confirmed)+5000*ms {
		s.sum["eta-late"]++
	}
	if t.Expires > 0 && s.now > f.due+t.Expires+drift {
		s.sum["expired"]++
	}
	f.concurrent = f.concurrent || f.running > 0
	f.begun++
	f.ended = false
	d.last = s.now
}

// completed notes that a run came to an end of the task.
func (s *sim) completed(d *delivery, o ledger.Outcome, began int64) {
	f := s.of(d.seq)
	f.completed++
	if f.body != nil {
		f.body.runs = append(f.body.runs, began)
	}
	if c := s.member[d.seq]; c != nil && o == ledger.OK {
		s.advance(c, d.seq)
	}
}

// early counts the deliveries of messages that were held, each once.
func (s *sim) early() int {
	var seen []*delivery
	for _, h := range s.holds {
		until := h.held.ackedAt
		if until == 0 {
			until = h.held.last
		}
		if h.held.returns || h.held.outcome == ledger.Retried || h.again.got <= h.held.got || h.again.got >= until-slack || slices.Contains(seen, h.again) {
			continue
		}
		seen = append(seen, h.again)
	}
	return len(seen)
}

// planted sums what became of the tasks.
func (s *sim) planted() Planted {
	p := s.sum
	left := map[uint64]bool{}
	for _, m := range s.queue {
		left[m.seq] = true
	}
	count := func(name string, in bool) {
		if in {
			p[name]++
		}
	}
	for seq, f := range s.fate {
		executed := f.completed > 0
		attempted := f.publish != ledger.Unpublished
		gone := !executed && !left[seq] && f.aside == 0
		missing := gone && !f.unrun
		count("attempted", attempted)
		count("acknowledged", f.publish == ledger.PublishOK)
		count("unknown", f.publish == ledger.PublishUnknown)
		count("lost", f.publish == ledger.PublishOK && missing)
		count("phantom-confirm", f.publish == ledger.PublishOK && missing && f.delivered == 0)
		count("recovered", f.publish == ledger.PublishUnknown && executed)
		count("unexpected", !attempted && executed && f.body == nil)
		count("orphaned", f.begun > 0 && missing && !f.ended)
		count("stuck", attempted && !executed && left[seq])
		count("refused", f.publish == ledger.PublishFailed && f.delivered > 0)
		count("concurrent", f.concurrent)
		count("lapsed", gone && f.unrun)
		count("dead-letter", f.buried)
		p["malformed"] += f.aside
		p["duplicated"] += max(0, f.completed-1)
		p["redelivered-after-ack"] += f.afterAck
		p["retried"] += f.retries
		p["overwritten"] += max(0, f.stored-1)
	}
	p["redelivered-early"] += s.early()
	for _, c := range s.chords {
		p["chord-body"] += c.wrong()
		count("chord-missing", c.over != 0 && len(c.runs) == 0 && !left[c.seq] && s.of(c.seq).aside == 0)
	}
	return p
}
