package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// A Cutter gives the finished part of a recorder's history to disk, piece by piece, so that memory follows what is
// under way and not the length of the run. Tasks of a sealed piece that are not done stay in memory, as records of
// their own; one that was done and of which more is heard is read back from its piece. So the recorder counts as it
// would without a Cutter, and the history that Finish returns is the one that Freeze would have returned.
//
// Its methods are for one goroutine at a time, beside those of the Recorder.
type Cutter struct {
	rec  *Recorder
	path string // of the file that describes the whole; the pieces lie beside it

	ended [maxTasks / chunkTasks]atomic.Pointer[marks] // tasks whose publish has ended: written by publishers

	// Below, under the recorder's lock.
	sealed uint64           // tasks below it are in pieces
	held   map[uint64]*held // those of them that are in memory
	unrun  int              // those of the others that were acknowledged by the broker, and done without having run
	pieces []Piece
	fresh  *Frozen // the piece that is being written
	failed error   // why a task could not be read back
}

// marks are one bit for each record of a chunk.
type marks [chunkTasks / 64]atomic.Uint64

// A held is one task of a sealed piece.
type held struct {
	record
	changed bool // since it was written
}

// A Piece is a part of a history in a file of its own: the tasks from First on.
type Piece struct {
	File  string `json:"file"` // beside the file that names it
	First uint64 `json:"first"`
	Tasks uint64 `json:"tasks"`
	Ended int64  `json:"ended"` // when the last of its tasks was due, nanoseconds since the run's start
}

// NewCutter begins to cut a recorder's history. It must be called before the first Due. The path is that of the
// history's file: with the path "h.tbz" the pieces are h.0001.tbz, h.0002.tbz and so on.
func NewCutter(rec *Recorder, path string) *Cutter {
	c := &Cutter{rec: rec, path: path, held: map[uint64]*held{}}
	rec.cut = c
	return c
}

// published marks the end of a task's publish. The mark is what lets Seal read what publishers wrote.
func (c *Cutter) published(seq uint64) {
	slot := &c.ended[seq/chunkTasks]
	m := slot.Load()
	if m == nil {
		slot.CompareAndSwap(nil, new(marks))
		m = slot.Load()
	}
	m[seq%chunkTasks/64].Or(1 << (seq % 64))
}

// Due is the number of tasks that were due so far: what Seal can be asked for.
func (c *Cutter) Due() uint64 { return c.rec.length.Load() }

// Pieces are those that were sealed so far.
func (c *Cutter) Pieces() []Piece {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	return slices.Clone(c.pieces)
}

// Ready tells how far the tasks below a number are that are in no piece yet: published is true when the publish of
// each has ended, without which Seal would miss something; settled when, besides, nothing more is expected of any.
func (c *Cutter) Ready(to uint64) (published, settled bool) {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	for seq := c.sealed; seq < to; seq++ {
		m := c.ended[seq/chunkTasks].Load()
		if m == nil || m[seq%chunkTasks/64].Load()&(1<<(seq%64)) == 0 {
			return false, false
		}
	}
	for seq := c.sealed; seq < to; seq++ {
		rec := c.rec.record(seq)
		if done, acked := c.rec.done(seq, rec); !done || !acked {
			return true, false
		}
	}
	return true, true
}

// done tells whether nothing more is expected of a task, and whether its attempts were acknowledged, too. A task whose
// publish is of unknown outcome may come any time; one that was lost may yet be found.
func (r *Recorder) done(seq uint64, rec *record) (done, acked bool) {
	var a attempt
	known := rec.attempt(&a)
	if !known && rec.flags&hasMore == 0 {
		return rec.published() == PublishFailed, true
	}
	acked = true
	see := func(a *attempt) bool {
		done = done || a.Completed() || a.Malformed || a.Acked != 0 && a.Started == 0
		acked = acked && (a.Acked != 0 || a.Returned || a.Malformed || a.Outcome == Killed)
		return a.isOpen()
	}
	open := known && see(&a)
	if rec.flags&hasMore != 0 {
		for i := range r.more[seq] {
			open = see(&r.more[seq][i]) || open
		}
	}
	return done && !open, acked
}

// Seal writes the tasks below a number that are in no piece yet to a piece of their own, and gives their memory up. It
// must have been said of them that they are published, or publishing must be over. Judge, if it is not nil, sees the
// piece while it is in memory. The number is at most Due's. Without such tasks nothing happens. When the piece cannot
// be written its tasks stay in memory, and the next call tries again.
func (c *Cutter) Seal(to uint64, meta Meta, judge func(*Frozen)) error {
	p, piece := c.take(to, meta)
	if piece == nil {
		return nil
	}
	if judge != nil {
		judge(piece)
	}
	err := WriteFile(filepath.Join(filepath.Dir(c.path), p.File), piece)
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	c.fresh = nil
	if err != nil {
		c.giveBack(piece)
		return err
	}
	c.pieces = append(c.pieces, p)
	for i := p.First / chunkTasks; i < to/chunkTasks; i++ {
		c.rec.chunks[i].Store(nil)
		c.ended[i].Store(nil)
	}
	return nil
}

// take makes a history of the next piece, over the recorder's own memory. From now on the recorder leaves its tasks
// alone: what is not done of them is copied, and changed there.
func (c *Cutter) take(to uint64, meta Meta) (Piece, *Frozen) {
	r := c.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	if to <= c.sealed {
		return Piece{}, nil
	}
	first := c.sealed
	n := len(c.pieces) + 1
	p := Piece{File: fmt.Sprintf("%s.%04d.tbz", strings.TrimSuffix(filepath.Base(c.path), ".tbz"), n), First: first, Tasks: to - first}
	meta.Run, meta.Piece, meta.First, meta.Tally = r.run.Tag(), n, first, nil
	meta.Chords, meta.Ticks = touching(meta.Chords, first, to), nil // ticks are the whole's
	meta.Schema = meta.version()
	f := &Frozen{meta: meta, first: first, origin: first / chunkTasks * chunkTasks, n: int(to - first), more: map[uint64][]attempt{}}
	for i := first / chunkTasks; i*chunkTasks < to; i++ {
		r.record(i * chunkTasks)
		f.chunks = append(f.chunks, r.chunks[i].Load())
	}
	for seq, list := range r.strays { // heard of before they were due
		if seq >= first && seq < to {
			delete(r.strays, seq)
			f.addLate(seq, list)
			if more := f.more[seq]; len(more) > 0 {
				r.more[seq] = append(r.more[seq], more...)
			}
		}
	}
	for seq := first; seq < to; seq++ {
		rec := f.at(seq)
		p.Ended = max(p.Ended, rec.due.get())
		done, _ := r.done(seq, rec)
		if rec.flags&hasMore != 0 {
			f.more[seq] = r.more[seq]
			delete(r.more, seq)
		}
		switch {
		case !done:
			c.held[seq] = &held{record: *rec}
			if rec.flags&hasMore != 0 {
				r.more[seq] = slices.Clone(f.more[seq])
			}
		case f.unrun(seq):
			c.unrun++
		}
	}
	c.sealed, c.fresh = to, f
	return p, f
}

// touching are the chords of which some task is among those from first on, below a number: a piece has no use for others.
func touching(chords []Chord, first, to uint64) []Chord {
	in := func(seq uint64) bool { return seq >= first && seq < to }
	var list []Chord
	for _, c := range chords {
		if in(c.Body) || slices.ContainsFunc(c.Header, in) {
			list = append(list, c)
		}
	}
	return list
}

// giveBack undoes take, with what has been heard since.
func (c *Cutter) giveBack(f *Frozen) {
	c.sealed = f.first
	for seq := f.first; seq < f.first+uint64(f.n); seq++ {
		if h := c.held[seq]; h != nil {
			*f.at(seq) = h.record
			delete(c.held, seq)
			continue
		}
		if list := f.more[seq]; len(list) > 0 {
			c.rec.more[seq] = list
		}
		if f.unrun(seq) {
			c.unrun--
		}
	}
}

// unrun tells whether a task was acknowledged by the broker and has not been run to its end.
func (f *Frozen) unrun(seq uint64) bool {
	t := f.Task(int(seq))
	return t.Publish == PublishOK && t.Executed() == 0
}

// recall sees to it that the sealed tasks of the events are in memory. The recorder's lock is held.
func (c *Cutter) recall(events []Event) {
	wanted := map[int]map[uint64]bool{} // by piece
	for i := range events {
		seq := events[i].Task
		if seq >= c.sealed {
			continue
		}
		if h := c.held[seq]; h != nil {
			h.changed = true
			continue
		}
		n, _ := slices.BinarySearchFunc(c.pieces, seq, func(p Piece, seq uint64) int {
			if p.First+p.Tasks <= seq {
				return -1
			}
			return 1
		})
		if wanted[n] == nil {
			wanted[n] = map[uint64]bool{}
		}
		wanted[n][seq] = true
	}
	for n, seqs := range wanted {
		if err := c.readBack(n, seqs); err != nil {
			c.failed = errors.Join(c.failed, err)
		}
	}
}

func (c *Cutter) readBack(n int, seqs map[uint64]bool) error {
	if n == len(c.pieces) { // it is being written
		for seq := range seqs {
			c.hold(c.fresh.Task(int(seq)))
		}
		return nil
	}
	left := len(seqs)
	_, err := stream(filepath.Join(filepath.Dir(c.path), c.pieces[n].File), func(t *Task) bool {
		if seqs[t.Seq] {
			c.hold(*t)
			left--
		}
		return left > 0
	})
	if err != nil {
		return fmt.Errorf("read tasks back of which more was heard: %w", err)
	}
	return nil
}

// hold takes a task that was sealed into memory.
func (c *Cutter) hold(t Task) {
	h := &held{changed: true}
	h.setTask(&t)
	for _, a := range t.Attempts {
		again := attempt{Attempt: a, runner: a.PID != 0 && (a.Started != 0 || a.Finished != 0 && !secondHand(a.Outcome))}
		c.rec.keep(t.Seq, &h.record, &again)
	}
	c.held[t.Seq] = h
	if t.Publish == PublishOK && t.Executed() == 0 {
		c.unrun--
	}
}

// Missing is how many tasks of the pieces were acknowledged by the broker and have not been run to their end yet, and
// late how many tasks have more to tell than is in their piece.
func (c *Cutter) Missing() (missing, late int) {
	r := c.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	for seq, h := range c.held {
		if h.published() == PublishOK && r.completed(seq, &h.record) == 0 {
			missing++
		}
		if h.changed {
			late++
		}
	}
	return missing, late
}

// Save writes the file that describes the whole: its pieces so far, what was heard of their tasks after they were
// sealed, and messages of others. The file is replaced at once or not at all. What is in no piece is not in it: say so
// in Meta.Aborted.
func (c *Cutter) Save(meta Meta) error {
	return WriteFile(c.path, c.whole(meta))
}

// Finish seals what is left and returns the whole history. Nothing may be recorded any more. Beside an error the
// history holds what could be written.
func (c *Cutter) Finish(meta Meta) (*Pieces, error) {
	sealed := c.Seal(c.Due(), meta, nil)
	h := c.whole(meta)
	return h, errors.Join(c.failed, sealed, WriteFile(c.path, h))
}

func (c *Cutter) whole(meta Meta) *Pieces {
	r := c.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	meta.Run, meta.Tally, meta.Pieces = r.run.Tag(), r.live.tally(), slices.Clone(c.pieces)
	meta.Schema = meta.version()
	p := &Pieces{dir: filepath.Dir(c.path), meta: meta, late: map[uint64]Task{}, aliens: slices.Clone(r.aliens), nAliens: r.nAliens}
	for _, piece := range c.pieces {
		p.n += int(piece.Tasks)
	}
	for seq, h := range c.held {
		if !h.changed || seq >= uint64(p.n) {
			continue
		}
		var t Task
		h.task(seq, r.more[seq], &t)
		p.late[seq] = t
	}
	for seq, list := range r.strays {
		if seq >= c.sealed {
			p.strays = append(p.strays, strayTask(seq, list))
		}
	}
	sortStrays(p.strays)
	return p
}
