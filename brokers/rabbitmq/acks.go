package rabbitmq

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// acks tells the server of one channel's acknowledgements. While some are being written, the next are collected, and
// those of a row without a gap go in one frame. While they come thick and fast, a frame also waits a moment for more:
// a server that is told of several at once hands out as many at once, and has less to do for each. What that gives,
// `go run ./ci/selfbench -only end-to-end,celery` shows.
type acks struct {
	write func(tag uint64, multiple bool) error

	mu      sync.Mutex
	waiting []*ack    // for the next frame
	held    []*ack    // for a gap before them to close
	gap     uint64    // the tag before the first gap
	since   time.Time // when that came to be
	writing bool
	last    time.Time     // when the latest was asked for
	pace    time.Duration // from one to the next, smoothed
	enough  int           // how many need not wait for more
	most    int           // how many are held
	full    chan struct{} // of one place: enough are waiting

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

const (
	thick    = 250 * time.Microsecond // the pace at which a frame waits for more
	slack    = 100 * thick            // a pause that counts for as long as any
	linger   = 2 * thick              // how long a frame waits
	patience = 20 * linger            // how long those behind a gap do: a process that is not on a processor comes back by then
	behind   = 8                      // so many deliveries may wait for a slow task before them, in whatever runs it
)

func newAcks(write func(tag uint64, multiple bool) error) *acks {
	return &acks{write: write, rows: []row{{0, 0}}, pace: slack, full: make(chan struct{}, 1)} // no delivery has tag 0
}

// limit says how many deliveries may be unacknowledged. Were more than a part of them held back, too few would be left
// to work on: none where there are few.
func (a *acks) limit(prefetch int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enough = prefetch / 4
	a.most = max(0, prefetch/2-behind)
}

// settle acknowledges a delivery and returns once that is written.
func (a *acks) settle(tag uint64) error {
	w := &ack{tag: tag, done: make(chan error, 1)}
	now := time.Now()
	a.mu.Lock()
	a.pace += (min(now.Sub(a.last), slack) - a.pace) / 8
	a.last = now
	a.waiting = append(a.waiting, w)
	if len(a.waiting) >= a.enough {
		select {
		case a.full <- struct{}{}:
		default:
		}
	}
	writing, crowd := a.writing, a.crowd()
	a.writing = true
	a.mu.Unlock()
	switch {
	case writing:
	case crowd:
		go a.rest()
	case a.next(): // whose acknowledgement is written need not wait for those of others
		go a.rest()
	}
	return <-w.done
}

// rest writes what waits until nothing does.
func (a *acks) rest() {
	for more := true; more; more = a.next() {
		a.mu.Lock()
		wait := a.crowd() && len(a.waiting) < a.enough
		a.mu.Unlock()
		if wait {
			select {
			case <-a.full:
			case <-time.After(linger):
			}
		}
	}
}

// crowd tells whether they come thick and fast; mu is held.
func (a *acks) crowd() bool { return a.pace < thick }

// next writes what waits, and tells whether there is more by then.
func (a *acks) next() (more bool) {
	together, singly := a.take()
	if n := len(together); n > 0 {
		err := a.write(together[n-1].tag, n > 1)
		for _, w := range together {
			w.done <- err
		}
	}
	for _, w := range singly {
		w.done <- a.write(w.tag, false)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writing = len(a.waiting)+len(a.held) > 0
	return a.writing
}

// take parts what waits into those without a gap before them, in the order of their tags, and the others. These go on
// waiting for the gap to close, unless it has stayed for long, or they are too many.
func (a *acks) take() (together, singly []*ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.full:
	default:
	}
	batch := slices.Concat(a.held, a.waiting)
	a.held, a.waiting = nil, nil
	slices.SortFunc(batch, func(x, y *ack) int { return cmp.Compare(x.tag, y.tag) })
	for _, w := range batch {
		a.note(w.tag)
	}
	now := time.Now()
	if first := a.rows[0].to; first > a.gap {
		a.gap, a.since = first, now
	}
	n := 0
	for n < len(batch) && batch[n].tag <= a.rows[0].to {
		n++
	}
	together, singly = batch[:n], batch[n:]
	if a.crowd() && now.Sub(a.since) < patience && len(singly) <= a.most {
		a.held, singly = singly, nil
	}
	return together, singly
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
