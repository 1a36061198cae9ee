package oracle

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"taskbench/harness/ledger"
)

const (
	ms      = int64(time.Millisecond)
	every   = 500 * int64(time.Microsecond) // between tasks that are due
	workers = 2
	slots   = 8
)

// A sim is a discrete event simulation: what happens is a heap of functions by time.
type sim struct {
	rng   *rand.Rand
	bugs  Bugs
	rec   *ledger.Recorder
	start int64
	dir   string
	tasks int

	now      int64
	agenda   agenda
	turn     int
	queue    []message
	frozen   int64 // the broker hands nothing out before
	workers  []*worker
	attempts uint64
	pids     uint32
	invented uint64
	closed   bool // workers take no more
	fate     map[uint64]*fate
	stalls   int
	meta     ledger.Meta
	err      error
}

// fate is what really became of a task, as the side that planted the bugs knows it.
type fate struct {
	publish                   ledger.PublishOutcome
	delivered, afterAck       int
	begun, running, completed int
	retries                   int
	acked, concurrent         bool
	ended                     bool // the run that began last came to an end of its own
}

type message struct {
	seq     uint64
	retries int
}

type event struct {
	at   int64
	turn int
	do   func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].turn < a[j].turn
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

func (s *sim) after(d int64, do func()) {
	s.turn++
	heap.Push(&s.agenda, event{s.now + d, s.turn, do})
}

// oneIn decides whether a bug of that frequency strikes.
func (s *sim) oneIn(n int) bool { return n > 0 && s.rng.IntN(n) == 0 }

func (s *sim) of(seq uint64) *fate {
	f := s.fate[seq]
	if f == nil {
		f = &fate{}
		s.fate[seq] = f
	}
	return f
}

// run simulates until nothing is left to happen, and describes the run.
func (s *sim) run() (ledger.Meta, error) {
	s.now = s.start
	s.meta = ledger.Meta{Scenario: "oracle", Nodes: []string{"broker"}}
	for i := range workers {
		s.meta.Nodes = append(s.meta.Nodes, fmt.Sprintf("worker-%d", i+1))
		s.workers = append(s.workers, nil)
		s.employ(i)
	}
	for seq := range uint64(s.tasks) {
		s.rec.Due(seq, s.start+int64(seq)*every)
		s.after(int64(seq)*every+s.rng.Int64N(ms), func() { s.publish(seq) })
	}
	half := int64(s.tasks) * every / 2
	if s.bugs.Stall > 0 {
		s.after(half, s.stall)
	}
	if s.bugs.Kill {
		s.after(half, func() { s.kill(0) })
	}
	if s.bugs.Abandon {
		s.after(half, func() { s.closed = true })
	}
	for len(s.agenda) > 0 && s.err == nil {
		e := heap.Pop(&s.agenda).(event)
		s.now = e.at
		e.do()
	}
	s.meta.DrainEnded = s.now - s.start + 2000*ms
	s.meta.Drained, s.meta.Left = len(s.queue) == 0, len(s.queue)
	for _, m := range s.queue {
		s.meta.LeftIDs = append(s.meta.LeftIDs, m.seq)
	}
	for _, w := range s.workers {
		w.leave()
	}
	return s.meta, s.err
}

// stall stops the broker from handing out, with tasks waiting.
func (s *sim) stall() {
	s.frozen = s.now + int64(s.bugs.Stall)
	s.stalls++
	s.after(int64(s.bugs.Stall), s.dispatch)
}

// planted sums what became of the tasks.
func (s *sim) planted() Planted {
	p := Planted{Stalls: s.stalls}
	left := map[uint64]bool{}
	for _, m := range s.queue {
		left[m.seq] = true
	}
	count := func(n *int, in bool) {
		if in {
			*n++
		}
	}
	for seq, f := range s.fate {
		executed := f.completed > 0
		count(&p.Attempted, f.publish != ledger.Unpublished)
		count(&p.Acknowledged, f.publish == ledger.PublishOK)
		count(&p.Refused, f.publish == ledger.PublishFailed)
		count(&p.Unknown, f.publish == ledger.PublishUnknown)
		count(&p.Lost, f.publish == ledger.PublishOK && !executed && !left[seq])
		count(&p.Phantom, f.publish == ledger.PublishOK && f.delivered == 0 && !left[seq])
		count(&p.Recovered, f.publish == ledger.PublishUnknown && executed)
		count(&p.Unexpected, f.publish == ledger.Unpublished && executed)
		count(&p.Orphaned, f.begun > 0 && !executed && !left[seq] && !f.ended)
		count(&p.Stuck, !executed && left[seq])
		count(&p.Denied, f.publish == ledger.PublishFailed && f.delivered > 0)
		count(&p.Concurrent, f.concurrent)
		p.Duplicated += max(0, f.completed-1)
		p.Redelivered += f.afterAck
		p.Retried += f.retries
	}
	return p
}
