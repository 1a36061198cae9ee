package ledger

import (
	"slices"
	"sync/atomic"
	"time"
)

// BinWidth is the width of a bin of Completions.
const BinWidth = 250 * time.Millisecond

const maxBins = 1 << 22 // twelve days

// live is counted while the run goes on, apart from the records.
type live struct {
	due                                   atomic.Int64
	published                             [4]atomic.Int64 // by PublishOutcome
	received, started, finished, executed atomic.Int64
	duplicates, last                      atomic.Int64
}

// happened moves the time of the last event.
func (l *live) happened(at int64) {
	for was := l.last.Load(); at > was && !l.last.CompareAndSwap(was, at); was = l.last.Load() {
	}
}

// Live is what a Recorder has counted so far.
type Live struct {
	Due                            int64
	Acknowledged, Refused, Unknown int64 // publishes
	Received, Started, Finished    int64 // attempts
	Executed                       int64 // distinct tasks run to their end
	Duplicates                     int64 // completed attempts beyond the first of their task
	LastEvent                      int64 // reading of Now: the latest publish end or evidence, at first the run's start
}

// Live is a snapshot; it takes no lock.
func (r *Recorder) Live() Live {
	l := &r.live
	return Live{
		Due: l.due.Load(), Acknowledged: l.published[PublishOK].Load(), Refused: l.published[PublishFailed].Load(),
		Unknown: l.published[PublishUnknown].Load(), Received: l.received.Load(), Started: l.started.Load(),
		Finished: l.finished.Load(), Executed: l.executed.Load(), Duplicates: l.duplicates.Load(), LastEvent: l.last.Load(),
	}
}

// Open is the number of attempts that processes have in hand: received, and neither finished, given back, kept aside
// nor acknowledged unrun. Only attempts of processes that alive accepts count: a killed worker's stay open for ever.
func (r *Recorder) Open(alive func(pid uint32) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for pid, held := range r.open {
		if alive(pid) {
			n += held
		}
	}
	return n
}

// Missing is the number of tasks whose publish was acknowledged, or that are bodies of chords, and that no attempt has run
// to its end, and how many of these have asked to be run again: whoever ran such a one may not have been able to send it
// yet, and have nothing in hand. Unlike the difference of two counters it is not made good by tasks that were executed
// without an acknowledgement. It looks at every task that a Cutter has not given away, and must not be called while tasks
// are being published.
func (r *Recorder) Missing() (missing, retrying int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	see := func(seq uint64, rec *record) {
		if rec.published() != PublishOK && !r.isBody(seq) || r.completed(seq, rec) > 0 {
			return
		}
		missing++
		if r.retried(seq, rec) {
			retrying++
		}
	}
	from := uint64(0)
	if r.cut != nil {
		from, missing = r.cut.sealed, r.cut.unrun
		for seq, h := range r.cut.held {
			see(seq, &h.record)
		}
	}
	for seq := from; seq < r.length.Load(); seq++ {
		see(seq, r.record(seq))
	}
	return missing, retrying
}

// Completions is the number of tasks first completed in each BinWidth since the run's start.
func (r *Recorder) Completions() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bins)
}

func (l *live) tally() *Tally {
	return &Tally{
		Due: int(l.due.Load()), OK: int(l.published[PublishOK].Load()), Failed: int(l.published[PublishFailed].Load()),
		Unknown: int(l.published[PublishUnknown].Load()), Executed: int(l.executed.Load()), Duplicates: int(l.duplicates.Load()),
	}
}

// count updates the live counters after an event changed an attempt.
func (r *Recorder) count(e *Event, was, is *attempt, rec *record) {
	l := &r.live
	add := func(c *atomic.Int64, before, after bool) {
		if before != after {
			if after {
				c.Add(1)
			} else {
				c.Add(-1)
			}
		}
	}
	add(&l.received, was.Received != 0, is.Received != 0)
	add(&l.started, was.Started != 0, is.Started != 0)
	add(&l.finished, was.Finished != 0, is.Finished != 0)
	if was.isOpen() {
		if r.open[was.PID]--; r.open[was.PID] == 0 {
			delete(r.open, was.PID)
		}
	}
	if is.isOpen() {
		r.open[is.PID]++
	}
	if was.Completed() || !is.Completed() {
		return
	}
	if r.completed(e.Task, rec) > 1 {
		l.duplicates.Add(1)
		return
	}
	l.executed.Add(1)
	bin := int(e.At / int64(BinWidth))
	if bin >= maxBins {
		return
	}
	for len(r.bins) <= bin {
		r.bins = append(r.bins, 0)
	}
	r.bins[bin]++
}

func (r *Recorder) completed(seq uint64, rec *record) int {
	n := 0
	if o := Outcome(rec.flags & outcomeBits); o == OK || o == Failed || o == TimedOut {
		n++
	}
	if rec.flags&hasMore != 0 {
		for i := range r.more[seq] {
			if r.more[seq][i].Completed() {
				n++
			}
		}
	}
	return n
}

// retried tells whether some attempt has ended by asking for another.
func (r *Recorder) retried(seq uint64, rec *record) bool {
	return Outcome(rec.flags&outcomeBits) == Retried ||
		rec.flags&hasMore != 0 && slices.ContainsFunc(r.more[seq], func(a attempt) bool { return a.Outcome == Retried })
}
