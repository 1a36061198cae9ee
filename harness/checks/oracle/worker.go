package oracle

import (
	"slices"

	"taskbench/harness/ledger"
)

// A worker is one parent process and two children, each with an evidence file of its own.
type worker struct {
	s        *sim
	index    int
	alive    bool
	hands    []*delivery
	evidence [3]*ledger.Evidence
	pids     [3]uint32
}

// A delivery is one message in a worker's hands.
type delivery struct {
	message
	attempt            uint64
	completed, settled bool
	running            int
	waits              bool // for its time, beside those that are worked on
	cut                bool // its connection is gone
	returns            bool // is given back
	outcome            ledger.Outcome
	got, ackedAt, last int64 // received, acknowledged, and last worked on
}

func (s *sim) employ(i int) {
	w := &worker{s: s, index: i, alive: true}
	for p := range w.pids {
		s.pids++
		w.pids[p] = s.pids
		e, err := ledger.OpenEvidence(s.dir, s.meta.Nodes[i+1], uint16(i+1))
		if err != nil {
			s.err = err
			return
		}
		w.evidence[p] = e
	}
	if old := s.workers[i]; old != nil {
		old.leave()
	}
	s.workers[i] = w
	s.dispatch()
}

func (w *worker) leave() {
	for _, e := range w.evidence {
		if e != nil {
			w.s.err = firstOf(w.s.err, e.Close())
		}
	}
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// busy is how many deliveries take up a slot.
func (w *worker) busy() int {
	n := 0
	for _, d := range w.hands {
		if !d.waits {
			n++
		}
	}
	return n
}

// witness writes evidence in the parent's file (process 0) or a child's.
func (w *worker) witness(process int, d *delivery, kind ledger.Kind, o ledger.Outcome) {
	w.evidence[process].Write(ledger.Event{Task: d.seq, Attempt: d.attempt, At: w.s.now, PID: w.pids[process], Kind: kind, Outcome: o})
}

// then goes on with the delivery after a while, if the worker lives so long.
func (w *worker) then(wait int64, do func()) {
	w.s.after(wait, func() {
		if w.alive {
			do()
		}
	})
}

func (w *worker) receive(m message) {
	s := w.s
	s.attempts++
	d := &delivery{message: m, attempt: s.attempts, got: s.now}
	s.handed(d)
	w.hands = append(w.hands, d)
	w.witness(0, d, ledger.Received, ledger.None)
	if s.oneIn(s.bugs.Held) {
		s.after(ms, func() { s.store(m) })
	}
	if s.rng.IntN(100) == 0 {
		d.returns = true
		w.then(ms, func() {
			w.drop(d)
			if !d.cut {
				w.witness(0, d, ledger.Returned, ledger.None)
				s.back(m)
			}
		})
		return
	}
	wait := ms / 10
	if eta := s.of(m.seq).due + s.terms(m.seq).ETA; s.terms(m.seq).ETA > 0 && eta > s.now && !s.oneIn(s.bugs.TooEarly) {
		wait = eta - s.now
		if s.oneIn(s.bugs.TooLate) {
			wait += 6000 * ms
		}
		d.waits = true
	}
	w.then(wait, func() { w.begin(d) })
}

// begin runs a delivery whose time has come, unless it has expired.
func (w *worker) begin(d *delivery) {
	s, f := w.s, w.s.of(d.seq)
	d.waits = false
	if e := s.terms(d.seq).Expires; e > 0 && s.now > f.due+e && !s.oneIn(s.bugs.RunExpired) {
		if !d.cut {
			f.unrun = true
			s.settle(d)
			w.witness(0, d, ledger.Acked, ledger.None)
		}
		w.drop(d)
		s.dispatch()
		return
	}
	child := 1 + int(d.attempt%2)
	if s.bugs.Early && !d.cut {
		s.settle(d)
		w.witness(0, d, ledger.Acked, ledger.None)
	}
	w.start(d, child)
	if s.oneIn(s.bugs.Twice) {
		w.start(d, 3-child)
	}
}

// start runs the delivery in a child.
func (w *worker) start(d *delivery, child int) {
	s, f := w.s, w.s.of(d.seq)
	s.started(d)
	f.running++
	d.running++
	began := s.now
	w.witness(child, d, ledger.Started, ledger.None)
	length, outcome := w.course(d)
	if told := w.told(d, &length); told > 0 {
		w.then(told, func() { w.witness(child, d, ledger.Told, ledger.None) })
	}
	w.then(length, func() {
		w.witness(child, d, ledger.Finished, outcome)
		f.running--
		d.running--
		f.ended = true
		d.outcome, d.last = outcome, s.now
		if outcome == ledger.Retried {
			f.retries++
			again := message{d.seq, d.retries + 1}
			s.after(20*ms, func() { s.store(again) }) // it is stored before the acknowledgement of this one
		} else {
			d.completed = true
			s.completed(d, outcome, began)
		}
		w.then(2*ms, func() { w.finish(d) })
	})
}

// course is how long a run takes and how it ends.
func (w *worker) course(d *delivery) (length int64, o ledger.Outcome) {
	s := w.s
	t := s.terms(d.seq)
	length = 2*ms + int64(s.rng.ExpFloat64()*3e6)
	switch {
	case t.Retries > 0 && d.retries < t.Retries:
		if s.oneIn(s.bugs.RetryLess) {
			s.sum["retry-count"] += t.Retries - d.retries
			return length, ledger.OK
		}
		return length, ledger.Retried
	case t.Retries > 0 && d.retries == t.Retries && s.oneIn(s.bugs.RetryMore):
		s.sum["retry-count"]++
		return length, ledger.Retried
	case t.Limit > 0 && s.rng.IntN(10) == 0: // it would never end
		if s.oneIn(s.bugs.NoLimit) {
			s.sum["time-limit"]++
			return 5000 * ms, ledger.OK
		}
		return t.Limit + s.rng.Int64N(5*ms), ledger.TimedOut
	case t.Limit > 0 && s.oneIn(s.bugs.CutEarly):
		s.sum["time-limit"]++
		return 10 * ms, ledger.TimedOut
	case t.Soft > 0 && s.rng.IntN(4) == 0: // it has much to do, and heeds its limit or does not
		return t.Soft + ms + s.rng.Int64N(2)*200*ms, ledger.OK
	case t.Limit+t.Soft == 0 && s.oneIn(s.bugs.NoRenew):
		s.after(1000*ms, func() {
			if !d.settled {
				s.store(d.message)
			}
		})
		return 3000 * ms, ledger.OK
	case s.rng.IntN(50) == 0:
		return length, ledger.Failed
	}
	return length, ledger.OK
}

// told is how long after its start the task of a run is told that its soft limit is over; 0 is never.
func (w *worker) told(d *delivery, length *int64) int64 {
	s := w.s
	switch soft := s.terms(d.seq).Soft; {
	case soft == 0:
		return 0
	case s.oneIn(s.bugs.TellEarly):
		s.sum["soft-limit"]++
		return min(ms, *length)
	case *length <= soft:
		return 0
	case s.oneIn(s.bugs.NoTell):
		s.sum["soft-limit"]++
		*length = 5000 * ms
		return 0
	default:
		return soft
	}
}

func (w *worker) finish(d *delivery) {
	s, f := w.s, w.s.of(d.seq)
	if !slices.Contains(w.hands, d) {
		return // run twice, and done with by the other
	}
	if d.completed {
		f.stored++
		w.witness(0, d, ledger.Stored, ledger.None)
		d.last = s.now
	}
	switch {
	case d.cut || d.settled:
	case d.outcome == ledger.OK && s.oneIn(s.bugs.Bury):
		f.aside++
		f.buried = true
		d.settled = true
		w.witness(0, d, ledger.Malformed, ledger.None)
	default:
		s.settle(d)
		w.witness(0, d, ledger.Acked, ledger.None)
	}
	if d.completed && f.body == nil && s.oneIn(s.bugs.Overwrite) {
		w.then(ms, func() { w.overwrite(d) })
	}
	w.drop(d)
	s.dispatch()
}

// overwrite is what a process does that nobody knows of any more: it ends the task once again.
func (w *worker) overwrite(d *delivery) {
	s, f := w.s, w.s.of(d.seq)
	s.attempts++
	again := &delivery{message: d.message, attempt: s.attempts}
	w.witness(1, again, ledger.Finished, ledger.Failed)
	w.witness(0, again, ledger.Stored, ledger.None)
	f.completed++
	f.stored++
}

func (w *worker) drop(d *delivery) {
	w.hands = slices.DeleteFunc(w.hands, func(x *delivery) bool { return x == d })
}
