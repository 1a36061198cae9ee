package rabbitmq

import (
	"cmp"
	"slices"
	"sync"
)

// acks tells the server of one channel's acknowledgements. While some are being written, the next are collected, and
// those of a row without a gap go in one frame.
type acks struct {
	write func(tag uint64, multiple bool) error

	mu      sync.Mutex
	waiting []*ack
	writing bool

	// The tags that are settled, in rows without a gap, the lowest first; there is one gap at most for each delivery in
	// hand. Tags count from 1 over all consumers of a channel, so a gap may also be a delivery that has not been seen
	// yet: what is acknowledged together is only what is known by name.
	rows []row
}

// A row is all tags from one to another, both included.
type row struct{ from, to uint64 }

type ack struct {
	tag  uint64
	done chan error
}

func newAcks(write func(tag uint64, multiple bool) error) *acks {
	return &acks{write: write, rows: []row{{0, 0}}} // no delivery has tag 0
}

// settle acknowledges a delivery and returns once that is written.
func (a *acks) settle(tag uint64) error {
	w := &ack{tag: tag, done: make(chan error, 1)}
	a.mu.Lock()
	a.waiting = append(a.waiting, w)
	if a.writing {
		a.mu.Unlock()
		return <-w.done
	}
	a.writing = true
	a.mu.Unlock()
	a.next()
	a.mu.Lock()
	more := len(a.waiting) > 0
	a.writing = more
	a.mu.Unlock()
	if more {
		go a.rest() // whose acknowledgement is written need not wait for those of others
	}
	return <-w.done
}

func (a *acks) rest() {
	for more := true; more; {
		a.next()
		a.mu.Lock()
		more = len(a.waiting) > 0
		a.writing = more
		a.mu.Unlock()
	}
}

// next writes what waits.
func (a *acks) next() {
	a.mu.Lock()
	batch := a.waiting
	a.waiting = nil
	slices.SortFunc(batch, func(x, y *ack) int { return cmp.Compare(x.tag, y.tag) })
	for _, w := range batch {
		a.note(w.tag)
	}
	n := 0 // how many of the batch have no gap before them
	for n < len(batch) && batch[n].tag <= a.rows[0].to {
		n++
	}
	a.mu.Unlock()
	if n > 1 {
		err := a.write(batch[n-1].tag, true)
		for _, w := range batch[:n] {
			w.done <- err
		}
		batch = batch[n:]
	}
	for _, w := range batch {
		w.done <- a.write(w.tag, false)
	}
}

// settled notes a delivery that was settled otherwise; the server has been told.
func (a *acks) settled(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(tag)
}

// note adds a tag to the rows; mu is held.
func (a *acks) note(tag uint64) {
	i, _ := slices.BinarySearchFunc(a.rows, tag, func(r row, tag uint64) int { return cmp.Compare(r.to+1, tag) })
	switch { // the row before i ends too early to touch the tag
	case i < len(a.rows) && tag >= a.rows[i].from && tag <= a.rows[i].to:
	case i < len(a.rows) && a.rows[i].to+1 == tag:
		a.rows[i].to = tag
		if i+1 < len(a.rows) && a.rows[i+1].from == tag+1 {
			a.rows[i].to = a.rows[i+1].to
			a.rows = slices.Delete(a.rows, i+1, i+2)
		}
	case i < len(a.rows) && a.rows[i].from == tag+1:
		a.rows[i].from = tag
	default:
		a.rows = slices.Insert(a.rows, i, row{tag, tag})
	}
}
