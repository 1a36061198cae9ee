package ledger

import (
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
)

// Pieces is a History that lies on disk in pieces and is read one block of tasks at a time: what it takes of memory
// does not depend on its length.
type Pieces struct {
	dir     string
	meta    Meta // names the pieces
	n       int
	late    map[uint64]Task // as they are after all, of those of which more was heard
	strays  []Task
	aliens  []Event
	nAliens int
	err     error
}

// Open opens a history file, of a whole history or of one in pieces, each of which it reads to its end once. Its
// errors are those of ReadFile; for one that lacks a piece it is an error, too.
func Open(path string) (History, error) {
	f, err := readFile(path)
	if err != nil || len(f.meta.Pieces) == 0 {
		if err == nil {
			return f, nil
		}
		return nil, err
	}
	p := &Pieces{dir: filepath.Dir(path), meta: f.meta, late: map[uint64]Task{}, aliens: f.aliens, nAliens: f.nAliens}
	for _, piece := range p.meta.Pieces {
		if piece.File != filepath.Base(piece.File) || piece.First != uint64(p.n) {
			return nil, fmt.Errorf("read history %s: it names no sequence of pieces", path)
		}
		p.n += int(piece.Tasks)
	}
	for _, t := range f.strays {
		if t.Seq < uint64(p.n) {
			p.late[t.Seq] = t
		} else {
			p.strays = append(p.strays, t)
		}
	}
	for range p.All() { // to see that everything is there
		if p.err != nil {
			break
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	return p, nil
}

// Meta describes the run.
func (p *Pieces) Meta() Meta { return p.meta }

// Len is the number of tasks that were due, in the pieces that there are.
func (p *Pieces) Len() int { return p.n }

// Foreign are the events about messages that are not of this run.
func (p *Pieces) Foreign() ([]Event, int) { return p.aliens, p.nAliens }

// Err is what went wrong with reading a piece, after which All ended too soon.
func (p *Pieces) Err() error { return p.err }

// Task returns a copy of the i-th task, for which it reads its piece. It panics unless 0 <= i < Len.
func (p *Pieces) Task(i int) Task {
	if i < 0 || i >= p.n {
		panic(fmt.Sprintf("ledger: task %d of %d", i, p.n))
	}
	if t, ok := p.late[uint64(i)]; ok {
		return copied(t)
	}
	n := slices.IndexFunc(p.meta.Pieces, func(x Piece) bool { return uint64(i) < x.First+x.Tasks })
	var found Task
	if _, err := stream(filepath.Join(p.dir, p.meta.Pieces[n].File), func(t *Task) bool {
		if t.Seq == uint64(i) {
			found = copied(*t)
		}
		return t.Seq < uint64(i)
	}); err != nil {
		p.err = err
	}
	return found
}

// All yields every task, those that were never due at the end. Where a piece cannot be read it ends, and Err says why.
func (p *Pieces) All() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		for _, piece := range p.meta.Pieces {
			next, more := piece.First, true
			_, err := stream(filepath.Join(p.dir, piece.File), func(t *Task) bool {
				if t.Seq != next || next >= piece.First+piece.Tasks {
					more = false
					p.err = fmt.Errorf("read history: piece %s has task %d where %d was to come", piece.File, t.Seq, next)
					return false
				}
				next++
				if late, ok := p.late[t.Seq]; ok {
					more = yield(copied(late))
				} else {
					more = yield(*t)
				}
				return more
			})
			if err == nil && more && next != piece.First+piece.Tasks {
				err = fmt.Errorf("read history: piece %s ends before task %d", piece.File, next)
			}
			if err != nil {
				p.err = err
			}
			if err != nil || !more {
				return
			}
		}
		for _, t := range p.strays {
			if !yield(copied(t)) {
				return
			}
		}
	}
}

func copied(t Task) Task {
	t.Attempts = slices.Clone(t.Attempts)
	return t
}

// An index is what the file of a history in pieces holds: no task of its own, but those of which more was heard, and
// the strays.
type index struct{ *Pieces }

func (x index) Len() int { return 0 }

func (x index) All() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		for _, seq := range slices.Sorted(maps.Keys(x.late)) {
			if !yield(x.late[seq]) {
				return
			}
		}
		for _, t := range x.strays {
			if !yield(t) {
				return
			}
		}
	}
}
