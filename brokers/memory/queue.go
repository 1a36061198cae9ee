package memory

import "time"

const priorities = 10

// An item is one message in the engine.
type item struct {
	seq         uint64 // its place in the order of publishing
	queue       *queue
	envelope    []byte
	expires     time.Time // zero: never
	priority    uint8
	redelivered bool
	holdings    uint16 // that are over, by consumers that may hold for a time only
	returns     int    // how often it came back
}

// tag names the holding of the item by one subscription: the same may hold it again, and what is late about the one
// holding must not touch the other.
func (it *item) tag() uint64 { return it.seq | uint64(it.holdings)<<48 }

// A queue holds ready messages and knows who waits for them. The engine's lock guards it.
type queue struct {
	name   string
	levels [priorities]level
	ready  int
	held   int // handed out and not settled

	listeners int           // of a temporary queue: it goes with the last
	ttl       time.Duration // of what an exchange puts here

	subscriptions []*subscription
	turn          int // whose turn it is to be woken
}

// A level is the ready messages of one priority: those never taken in a ring, and those that came back in a heap.
// Whatever came back was once taken before everything that is in the ring, and so goes first.
type level struct {
	ring     []*item // its length is a power of two
	head, n  int
	returned []*item // min-heap on seq
}

func (q *queue) push(it *item) {
	l := &q.levels[it.priority]
	if l.n == len(l.ring) {
		l.grow()
	}
	l.ring[(l.head+l.n)&(len(l.ring)-1)] = it
	l.n++
	q.ready++
	q.wakeOne()
}

// giveBack puts an item that was taken from this queue in its old place.
func (q *queue) giveBack(it *item) {
	l := &q.levels[it.priority]
	l.returned = append(l.returned, it)
	h := l.returned
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent].seq <= h[i].seq {
			break
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
	q.ready++
	q.wakeOne()
}

// pop takes the most urgent message that has not expired, or returns nil.
func (q *queue) pop() *item {
	for p := priorities - 1; p >= 0 && q.ready > 0; p-- {
		for {
			it := q.levels[p].pop()
			if it == nil {
				break
			}
			q.ready--
			if it.expires.IsZero() || time.Now().Before(it.expires) {
				return it
			}
		}
	}
	return nil
}

func (q *queue) purge() int {
	n := q.ready
	q.levels = [priorities]level{}
	q.ready = 0
	return n
}

// wakeOne wakes one of those who wait and have room, each in turn.
func (q *queue) wakeOne() {
	for range q.subscriptions {
		q.turn++
		if q.turn >= len(q.subscriptions) {
			q.turn = 0
		}
		if s := q.subscriptions[q.turn]; s.waiting {
			s.signal()
			return
		}
	}
}

func (l *level) grow() {
	ring := make([]*item, max(16, 2*len(l.ring)))
	for i := range l.n {
		ring[i] = l.ring[(l.head+i)&(len(l.ring)-1)]
	}
	l.ring, l.head = ring, 0
}

func (l *level) pop() *item {
	if len(l.returned) > 0 {
		return l.popReturned()
	}
	if l.n == 0 {
		return nil
	}
	it := l.ring[l.head]
	l.ring[l.head] = nil
	l.head = (l.head + 1) & (len(l.ring) - 1)
	l.n--
	return it
}

func (l *level) popReturned() *item {
	h := l.returned
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], nil
	h = h[:last]
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child].seq < h[least].seq {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	l.returned = h
	return first
}
