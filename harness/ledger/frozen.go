package ledger

import (
	"cmp"
	"iter"
	"slices"
)

// Schema is the version of Meta and of the history file. It changes when a newer file cannot be read by an older
// build. Version 1 knew no terms.
const Schema = 2

// inPieces is the version of the files of a history in pieces, which a build that knows no pieces cannot read.
const inPieces = 3

// oldest is the first version that can be read.
const oldest = 1

func (m *Meta) version() int {
	if m.Piece > 0 || len(m.Pieces) > 0 {
		return inPieces
	}
	return Schema
}

// Frozen is a History in memory, 64 bytes a task. Of a history in pieces it may be one piece: then its tasks begin at
// Meta.First, and Len is one more than the last of them.
type Frozen struct {
	meta    Meta
	first   uint64
	origin  uint64 // the task of the first record
	n       int
	chunks  []*records
	more    map[uint64][]attempt
	strays  []Task
	aliens  []Event
	nAliens int
}

// Meta describes the run.
func (f *Frozen) Meta() Meta { return f.meta }

// Len is the number of tasks that were due.
func (f *Frozen) Len() int { return int(f.first) + f.n }

// Foreign are the events about messages that are not of this run.
func (f *Frozen) Foreign() ([]Event, int) { return f.aliens, f.nAliens }

// Task returns a copy of the i-th task. It panics unless Meta.First <= i < Len.
func (f *Frozen) Task(i int) Task {
	var t Task
	f.load(uint64(i), &t)
	return t
}

// All yields every task, those that were never due at the end.
func (f *Frozen) All() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		var t Task
		for i := range f.n {
			f.load(f.first+uint64(i), &t)
			if !yield(t) {
				return
			}
		}
		for _, t := range f.strays {
			t.Attempts = slices.Clone(t.Attempts)
			if !yield(t) {
				return
			}
		}
	}
}

// load decodes a task into t, whose Attempts it uses again.
func (f *Frozen) load(seq uint64, t *Task) {
	rec := f.at(seq)
	if rec.flags&hasMore != 0 {
		rec.task(seq, f.more[seq], t)
		return
	}
	rec.task(seq, nil, t)
}

func (f *Frozen) at(seq uint64) *record {
	i := seq - f.origin
	return &f.chunks[i/chunkTasks][i%chunkTasks]
}

// task decodes a record, and the attempts beyond its first, into t, whose Attempts it uses again.
func (r *record) task(seq uint64, more []attempt, t *Task) {
	*t = Task{
		Seq: seq, Due: r.due.get(), PublishStart: r.pubStart.get(), PublishEnd: r.pubEnd.get(),
		Publish: r.published(), Terms: r.terms(), Attempts: t.Attempts[:0],
	}
	var a attempt
	if r.attempt(&a) {
		t.Attempts = append(t.Attempts, a.Attempt)
	}
	if len(more) > 0 {
		for i := range more {
			t.Attempts = append(t.Attempts, more[i].Attempt)
		}
		sortAttempts(t.Attempts)
	}
}

func sortAttempts(list []Attempt) {
	slices.SortStableFunc(list, func(a, b Attempt) int {
		return cmp.Or(cmp.Compare(a.Since(), b.Since()), cmp.Compare(a.ID, b.ID))
	})
}

// addLate adds attempts that were seen before their task was due. The tally does not know them, so that the
// accounting check will say that the books do not agree.
func (f *Frozen) addLate(seq uint64, list []attempt) {
	for i := range list {
		f.keep(seq, f.at(seq), &list[i])
	}
}

// keep takes an attempt of a task that is not kept yet.
func (f *Frozen) keep(seq uint64, rec *record, a *attempt) {
	if more := rec.keep(a, f.more[seq]); len(more) > 0 {
		f.more[seq] = more
	}
}

func strayTask(seq uint64, list []attempt) Task {
	t := Task{Seq: seq}
	for i := range list {
		t.Attempts = append(t.Attempts, list[i].Attempt)
	}
	sortAttempts(t.Attempts)
	return t
}

func sortStrays(list []Task) {
	slices.SortFunc(list, func(a, b Task) int { return cmp.Compare(a.Seq, b.Seq) })
}
