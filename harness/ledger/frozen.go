package ledger

import (
	"cmp"
	"iter"
	"slices"
)

// Schema is the version of Meta and of the history file. It changes when a newer file cannot be read by an older
// build. Version 1 knew no terms.
const Schema = 2

// oldest is the first version that can be read.
const oldest = 1

// Frozen is a History in memory, 64 bytes a task.
type Frozen struct {
	meta    Meta
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
func (f *Frozen) Len() int { return f.n }

// Foreign are the events about messages that are not of this run.
func (f *Frozen) Foreign() ([]Event, int) { return f.aliens, f.nAliens }

// Task returns a copy of the i-th task. It panics unless 0 <= i < Len.
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
			f.load(uint64(i), &t)
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
	rec := &f.chunks[seq/chunkTasks][seq%chunkTasks]
	*t = Task{
		Seq: seq, Due: rec.due.get(), PublishStart: rec.pubStart.get(), PublishEnd: rec.pubEnd.get(),
		Publish: rec.published(), Terms: rec.terms(), Attempts: t.Attempts[:0],
	}
	var a attempt
	if !rec.attempt(&a) {
		return
	}
	t.Attempts = append(t.Attempts, a.Attempt)
	if rec.flags&hasMore != 0 {
		for i := range f.more[seq] {
			t.Attempts = append(t.Attempts, f.more[seq][i].Attempt)
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
	rec := &f.chunks[seq/chunkTasks][seq%chunkTasks]
	if rec.flags&hasAttempt == 0 {
		rec.setAttempt(&list[0])
		list = list[1:]
	}
	if len(list) > 0 {
		f.more[seq] = append(f.more[seq], list...)
		rec.flags |= hasMore
	}
}

func (f *Frozen) addStray(seq uint64, list []attempt) {
	t := Task{Seq: seq}
	for i := range list {
		t.Attempts = append(t.Attempts, list[i].Attempt)
	}
	sortAttempts(t.Attempts)
	f.strays = append(f.strays, t)
}

func (f *Frozen) sortStrays() {
	slices.SortFunc(f.strays, func(a, b Task) int { return cmp.Compare(a.Seq, b.Seq) })
}
