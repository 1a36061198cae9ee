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
	open, duplicates                      atomic.Int64
}

// Live is what a Recorder has counted so far. Attempts that a killed worker left behind stay open.
type Live struct {
	Due                 int64
	OK, Failed, Unknown int64 // publishes
	Received, Started   int64 // attempts
	Finished, Open      int64 // attempts that ended, however; that started and did not
	Executed            int64 // distinct tasks run to their end
	Duplicates          int64 // completed attempts beyond the first of their task
}

// Live is a snapshot; it takes no lock.
func (r *Recorder) Live() Live {
	l := &r.live
	return Live{
		Due: l.due.Load(), OK: l.published[PublishOK].Load(), Failed: l.published[PublishFailed].Load(),
		Unknown: l.published[PublishUnknown].Load(), Received: l.received.Load(), Started: l.started.Load(),
		Finished: l.finished.Load(), Open: l.open.Load(), Executed: l.executed.Load(), Duplicates: l.duplicates.Load(),
	}
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
	add(&l.open, was.Started != 0 && was.Finished == 0, is.Started != 0 && is.Finished == 0)
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
