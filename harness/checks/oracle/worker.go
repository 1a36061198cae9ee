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
	s, f := w.s, w.s.of(m.seq)
	s.attempts++
	d := &delivery{message: m, attempt: s.attempts}
	w.hands = append(w.hands, d)
	f.delivered++
	if f.acked {
		f.afterAck++
	}
	w.witness(0, d, ledger.Received, ledger.None)
	if s.rng.IntN(100) == 0 {
		w.then(ms, func() {
			w.witness(0, d, ledger.Returned, ledger.None)
			w.drop(d)
			s.back(m)
		})
		return
	}
	child := 1 + int(d.attempt%2)
	w.then(ms/10, func() {
		if s.bugs.Early {
			s.settle(d)
			w.witness(0, d, ledger.Acked, ledger.None)
		}
		w.start(d, child)
		if s.oneIn(s.bugs.Twice) {
			w.start(d, 3-child)
		}
	})
}

// start runs the delivery in a child.
func (w *worker) start(d *delivery, child int) {
	s, f := w.s, w.s.of(d.seq)
	f.concurrent = f.concurrent || f.running > 0
	f.running++
	d.running++
	f.begun++
	f.ended = false
	w.witness(child, d, ledger.Started, ledger.None)
	w.then(2*ms+int64(s.rng.ExpFloat64()*3e6), func() {
		outcome := ledger.OK
		switch n := s.rng.IntN(100); {
		case n < 2 && d.retries < 3:
			outcome = ledger.Retried
		case n < 4:
			outcome = ledger.Failed
		}
		w.witness(child, d, ledger.Finished, outcome)
		f.running--
		d.running--
		f.ended = true
		if outcome == ledger.Retried {
			f.retries++
			again := message{d.seq, d.retries + 1}
			s.after(20*ms, func() { s.store(again) }) // it is stored before the acknowledgement of this one
		} else {
			f.completed++
			d.completed = true
		}
		w.then(2*ms, func() { w.finish(d) })
	})
}

func (w *worker) finish(d *delivery) {
	if !slices.Contains(w.hands, d) {
		return // run twice, and done with by the other
	}
	if !d.settled {
		w.s.settle(d)
		w.witness(0, d, ledger.Acked, ledger.None)
	}
	w.drop(d)
	w.s.dispatch()
}

func (w *worker) drop(d *delivery) {
	w.hands = slices.DeleteFunc(w.hands, func(x *delivery) bool { return x == d })
}

// kill ends a worker and its children at once. The broker gives out again what it had not acknowledged.
func (s *sim) kill(i int) {
	w := s.workers[i]
	w.alive = false
	span := ledger.FaultSpan{Fault: "kill", Node: s.meta.Nodes[i+1], At: s.now - s.start, InEffect: s.now - s.start}
	s.after(500*ms, func() {
		span.Healed = s.now - s.start
		s.meta.Faults = append(s.meta.Faults, span)
		s.employ(i)
	})
	for _, d := range w.hands {
		s.of(d.seq).running -= d.running
		if !d.settled {
			s.after(1000*ms, func() { s.back(d.message) })
		}
	}
}
