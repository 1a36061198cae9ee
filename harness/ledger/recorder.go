package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	maxTasks   = 1 << 32 // due tasks of one run
	maxStrays  = 1 << 20 // tasks with evidence that were never due, kept one by one
	keepAliens = 1000
)

// A Recorder keeps the history of a run while it goes on. All times that it is given are readings of Now; it keeps
// them relative to the run's start, in steps of 16 ns, for at most 52 days.
//
// Due, PublishStart and PublishEnd may be called from many goroutines at once, but not for the same task. A task's
// sequence number is below 2^32, numbers are given out from 0 without gaps, and Due comes before the task is
// published: evidence of a task that was not due is held against the system under test.
type Recorder struct {
	run    Run
	start  int64
	cut    *Cutter               // nil for a history that stays in memory to its end
	bodies func(seq uint64) bool // nil for none
	length atomic.Uint64         // one more than the highest sequence number that was due
	live   live
	chunks [maxTasks / chunkTasks]atomic.Pointer[records]

	mu      sync.Mutex // of everything below, and of the worker's side of the records
	more    map[uint64][]attempt
	strays  map[uint64][]attempt
	aliens  []Event
	nAliens int
	bins    []uint32
	open    map[uint32]int // attempts in hand, by process
}

// NewRecorder begins the history of a run that starts at start.
func NewRecorder(run Run, start int64) *Recorder {
	r := &Recorder{run: run, start: start, more: map[uint64][]attempt{}, strays: map[uint64][]attempt{}, open: map[uint32]int{}}
	r.live.last.Store(start)
	return r
}

// Due says when a task is due. It panics for a sequence number of 2^32 or more.
func (r *Recorder) Due(seq uint64, at int64) {
	if seq >= maxTasks {
		panic(fmt.Sprintf("ledger: sequence number %d: a run has at most %d tasks", seq, uint64(maxTasks)))
	}
	r.record(seq).due.set(at - r.start)
	if r.isBody(seq) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.admit(seq)
	}
	for n := r.length.Load(); n <= seq && !r.length.CompareAndSwap(n, seq+1); n = r.length.Load() {
	}
	r.live.due.Add(1)
}

// Bodies says which tasks are bodies of chords: they fall due like others, workers publish them, and nothing is told of
// that, which may be before they are due. It must be called before the first Due.
func (r *Recorder) Bodies(of func(seq uint64) bool) { r.bodies = of }

// admit takes what was heard of a body before it was due, which is no fault of whoever ran it, into its record. The lock
// is held until the body is due, so that nothing is heard of it between.
func (r *Recorder) admit(seq uint64) {
	if r.cut != nil {
		r.cut.published(seq) // nothing will be told of that
	}
	early := r.strays[seq]
	delete(r.strays, seq)
	rec := r.record(seq)
	for i := range early {
		a := &early[i]
		r.keep(seq, rec, a)
		r.count(&Event{Task: seq, At: a.Finished}, &attempt{}, a, rec)
	}
}

func (r *Recorder) isBody(seq uint64) bool { return r.bodies != nil && r.bodies(seq) }

// PublishStart says that the publisher is about to hand the task to the broker.
func (r *Recorder) PublishStart(seq uint64, at int64) {
	r.record(seq).pubStart.set(r.since(at))
}

// PublishEnd says how the publish went. When a task is published again, the last outcome counts.
func (r *Recorder) PublishEnd(seq uint64, at int64, outcome PublishOutcome) {
	rec := r.record(seq)
	if was := rec.published(); was != Unpublished {
		r.live.published[was].Add(-1)
	}
	rec.pubEnd.set(r.since(at))
	rec.setPublished(outcome)
	r.live.published[outcome&3].Add(1)
	r.live.happened(at)
	if r.cut != nil {
		r.cut.published(seq)
	}
}

// since makes a time relative to the start. 0 means never, so that what is earlier than the first tick is at it.
func (r *Recorder) since(at int64) int64 { return max((at-r.start)/tick, 1) * tick }

func (r *Recorder) record(seq uint64) *record {
	slot := &r.chunks[seq/chunkTasks]
	c := slot.Load()
	if c == nil {
		slot.CompareAndSwap(nil, new(records))
		c = slot.Load()
	}
	return &c[seq%chunkTasks]
}

// found is the record of a task that was due, wherever it is kept. It needs the lock.
func (r *Recorder) found(seq uint64) *record {
	if r.cut == nil || seq >= r.cut.sealed {
		return r.record(seq)
	}
	if h := r.cut.held[seq]; h != nil {
		return &h.record
	}
	return nil
}

// Apply adds evidence of what workers did, in any order. It may be called from several goroutines; to add an event
// twice changes nothing.
func (r *Recorder) Apply(events ...Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut != nil {
		r.cut.recall(events)
	}
	var last int64
	for _, e := range events {
		last = max(last, e.At)
		e.At = r.since(e.At)
		r.apply(&e)
	}
	r.live.happened(last)
}

func (r *Recorder) apply(e *Event) {
	switch {
	case e.Task == Foreign:
		r.alien(e)
		return
	case e.Task >= r.length.Load():
		r.stray(e)
		return
	}
	rec := r.found(e.Task)
	if rec == nil {
		return // its piece cannot be read, which Cutter.Finish will say
	}
	var first attempt
	a := r.of(e, rec, &first)
	was := *a
	a.take(e)
	switch {
	case a != &first: // it is in the overflow
	case a.Told == 0:
		rec.setAttempt(a)
	default:
		r.more[e.Task] = rec.evict(a, r.more[e.Task])
	}
	r.count(e, &was, a, rec)
}

// of finds the attempt of a task that an event belongs to, or adds one: in the overflow, or in first, which becomes the record's.
func (r *Recorder) of(e *Event, rec *record, first *attempt) *attempt {
	known := rec.attempt(first)
	if known && first.takes(e) || !known && rec.flags&hasMore == 0 {
		return first
	}
	kept := first
	if !known {
		kept = nil
	}
	a, list := further(r.more[e.Task], kept, e)
	if a != first {
		r.more[e.Task] = list
		rec.flags |= hasMore
	}
	return a
}

// keep takes an attempt of a task that is not kept yet.
func (r *Recorder) keep(seq uint64, rec *record, a *attempt) {
	if more := rec.keep(a, r.more[seq]); len(more) > 0 {
		r.more[seq] = more
	}
}

// further finds the attempt that an event belongs to among those in the overflow, or adds one. First is the record's.
func further(list []attempt, first *attempt, e *Event) (*attempt, []attempt) {
	for i := range list {
		if list[i].takes(e) {
			return &list[i], list
		}
	}
	// A parent's word about a run whose process it names wrongly or not at all.
	if e.Kind == Finished && secondHand(e.Outcome) {
		if first != nil && first.ID == e.Attempt {
			return first, list
		}
		for i := range list {
			if list[i].ID == e.Attempt {
				return &list[i], list
			}
		}
	}
	list = append(list, attempt{})
	return &list[len(list)-1], list
}

func (r *Recorder) stray(e *Event) {
	list, known := r.strays[e.Task]
	if !known && len(r.strays) >= maxStrays {
		r.alien(e)
		return
	}
	a, list := further(list, nil, e)
	a.take(e)
	r.strays[e.Task] = list
}

// alien keeps the first of the events about messages that are not of this run.
func (r *Recorder) alien(e *Event) {
	if r.nAliens++; len(r.aliens) < keepAliens {
		r.aliens = append(r.aliens, *e)
	}
}

// Freeze ends the recording and returns the history. Meta's Schema, Run and Tally are filled in. Nothing may be
// recorded any more: the history is the recorder's own memory. A history that a Cutter cuts is Cutter.Finish's to return.
func (r *Recorder) Freeze(meta Meta) *Frozen {
	r.mu.Lock()
	defer r.mu.Unlock()
	meta.Run, meta.Tally = r.run.Tag(), r.live.tally()
	meta.Schema = meta.version()
	f := &Frozen{meta: meta, n: int(r.length.Load()), more: r.more, aliens: r.aliens, nAliens: r.nAliens}
	for i := 0; i*chunkTasks < f.n; i++ {
		r.record(uint64(i * chunkTasks)) // a gap in the numbers is tasks that were never published
		f.chunks = append(f.chunks, r.chunks[i].Load())
	}
	for seq, list := range r.strays {
		if seq < uint64(f.n) {
			f.addLate(seq, list)
		} else {
			f.strays = append(f.strays, strayTask(seq, list))
		}
	}
	sortStrays(f.strays)
	return f
}
