package worker

import (
	"sync"

	"taskbench/brokers"
)

// remembered bounds how many finished attempts a worker remembers whose acknowledgement may not have arrived.
const remembered = 100_000

// A key names one message of one task: a retry is another message than the one it came from, and so is the copy
// that is sent after a child's death, or because the task asked to be queued again.
type key struct {
	id                       string
	retries, deaths, returns int32
}

// memory knows which messages are in hand, and which were finished though the broker may not know it. When the
// broker hands one of those out again to this same worker, it need not be run again.
type memory struct {
	flagged bool // the broker says when it hands something out again; without the word of it, nothing is taken for it
	timeout bool // the broker may do so while the connection lives

	mu       sync.Mutex
	inFlight map[key]*attempt
	finished map[key]uint64 // by number
	queue    []entry        // of finished, oldest first, as a ring once it is full
	next     uint64         // number of the next entry
	told     []key          // ring of the last acknowledgements that were sent on the present connection
	tellings uint64
}

type entry struct {
	key    key
	number uint64
}

func newMemory(v brokers.Variant, prefetch int) *memory {
	return &memory{
		flagged:  v.Promised(brokers.RedeliverFlag),
		timeout:  v.Promised(brokers.Timeout),
		inFlight: make(map[key]*attempt),
		finished: make(map[key]uint64),
		told:     make([]key, max(1024, 4*prefetch)),
	}
}

type verdict uint8

const (
	fresh    verdict = iota // run it, and call end afterwards
	apart                   // another message of the same name is in hand: run it, and do not call end
	finished                // it was run before
	busy                    // it is in hand under another delivery: call hold
)

// begin decides what to do with a message that came as attempt a, which must not change until end.
func (m *memory) begin(a *attempt, redelivered bool) verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := redelivered || !m.flagged
	if len(m.finished) > 0 && again {
		if _, ok := m.finished[a.key]; ok {
			delete(m.finished, a.key)
			return finished
		}
	}
	other, inHand := m.inFlight[a.key]
	switch {
	case !inHand:
		m.inFlight[a.key] = a
		return fresh
	case !again || !m.flagged && other.session == a.session && !m.timeout:
		return apart
	}
	return busy
}

// hold has settle called at the end of the attempt in hand. It fails when that has come already.
func (m *memory) hold(k key, settle func(finished bool)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.inFlight[k]
	if ok {
		a.held = append(a.held, settle)
	}
	return ok
}

// end takes an attempt out of hand. Finished says that its message need not be run again, acked that the broker was
// told so. It returns those that hold was called with.
func (m *memory) end(a *attempt, finished, acked bool) []func(bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inFlight, a.key)
	switch {
	case !finished:
	case acked && m.flagged && a.session.over && len(a.held) == 0:
		m.remember(a.key) // it may have been sent on a connection that was dead already
	case acked && m.flagged:
		m.sent(a.key)
	case !acked && len(a.held) == 0:
		m.remember(a.key)
	}
	held := a.held
	a.held = nil
	return held
}

// tell notes that the broker was told of a finished message under another delivery than that which was run.
func (m *memory) tell(s *session, k key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.flagged:
	case s.over:
		m.remember(k)
	default:
		m.sent(k)
	}
}

// sent notes an acknowledgement on the present connection; m.mu is held.
func (m *memory) sent(k key) {
	m.told[m.tellings%uint64(len(m.told))] = k
	m.tellings++
}

// unheard notes a finished message of which the broker may not have been told.
func (m *memory) unheard(k key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remember(k)
}

// remember notes a finished message; m.mu is held.
func (m *memory) remember(k key) {
	e := entry{key: k, number: m.next}
	if len(m.queue) < remembered {
		m.queue = append(m.queue, e)
	} else {
		slot := &m.queue[m.next%remembered]
		if m.finished[slot.key] == slot.number {
			delete(m.finished, slot.key)
		}
		*slot = e
	}
	m.finished[k] = m.next
	m.next++
}

// lost is called when a connection is: what was sent on it last may never have arrived. No more acknowledgements
// can be missing than messages were out. The ring has room for those, save where more than it holds had an ETA and
// came due together: the oldest of these may be run twice.
func (m *memory) lost(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.over = true
	for _, k := range m.told[:min(m.tellings, uint64(len(m.told)))] {
		m.remember(k)
	}
	m.tellings = 0
}

// A leftover is an attempt in hand that nobody waits for any more.
type leftover struct {
	delivery brokers.Delivery
	event    Event
}

// all calls visit for every attempt in hand, which do not end meanwhile. Visit must not wait, nor call the memory.
func (m *memory) all(visit func(*attempt)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.inFlight {
		visit(a)
	}
}

func (m *memory) leftovers() (all []leftover) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.inFlight {
		all = append(all, leftover{a.delivery, a.event(Returned)})
	}
	return all
}

func (m *memory) inHand() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.inFlight)
}
