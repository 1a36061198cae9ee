package oracle

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

const (
	ms      = int64(time.Millisecond)
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
	every int64 // nanoseconds between tasks that are due

	now      int64
	agenda   agenda
	turn     int
	queue    []message
	frozen   int64 // the broker hands nothing out before
	starving int64 // nor, of queue b, before this
	mute     bool  // the broker takes nothing any more
	faulted  bool  // a fault has begun
	workers  []*worker
	attempts uint64
	pids     uint32
	invented uint64
	closed   bool // workers take no more
	fate     map[uint64]*fate
	keys     map[key]*turns
	holds    []hold
	chords   []*chord
	member   map[uint64]*chord // by task of the header
	sum      Planted           // what is counted as it happens
	meta     ledger.Meta
	err      error
}

func newSim(rng *rand.Rand, rec *ledger.Recorder, start int64, dir string, tasks int, bugs Bugs) *sim {
	s := &sim{
		rng: rng, bugs: bugs, rec: rec, start: start, dir: dir, tasks: tasks, every: 700 * int64(time.Microsecond),
		fate: map[uint64]*fate{}, keys: map[key]*turns{}, member: map[uint64]*chord{}, sum: Planted{},
	}
	if bugs.Calm {
		s.every = 10 * ms
	}
	return s
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

// run simulates until nothing is left to happen, and describes the run.
func (s *sim) run() (ledger.Meta, error) {
	s.now = s.start
	s.meta = ledger.Meta{
		Scenario: "oracle", Nodes: []string{"broker"}, Terms: kinds, Ordered: true,
		Settings: map[string]string{checks.RecoverWithinSetting: "500ms"},
	}
	for i := range workers {
		s.meta.Nodes = append(s.meta.Nodes, fmt.Sprintf("worker-%d", i+1))
		s.workers = append(s.workers, nil)
		s.employ(i)
	}
	for seq := range uint64(s.tasks) {
		f := s.of(seq)
		f.kind, f.due = s.pick(), s.start+int64(seq)*s.every
		s.rec.Due(seq, f.due)
		s.rec.Terms(seq, f.kind)
		s.after(int64(seq)*s.every+s.rng.Int64N(ms), func() { s.publish(seq) })
	}
	s.compose()
	s.happen(int64(s.tasks) * s.every / 2)
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
	s.beat()
	s.watch()
	return s.meta, s.err
}

// happen arranges what befalls the system in the middle of the run.
func (s *sim) happen(half int64) {
	if s.bugs.Stall > 0 {
		s.after(half, func() {
			s.sum["stall"]++
			s.freeze(int64(s.bugs.Stall))
		})
	}
	if s.bugs.Starve > 0 {
		s.after(half/2, func() {
			s.sum["starved"]++
			s.starving = s.now + int64(s.bugs.Starve)
			s.after(int64(s.bugs.Starve), s.dispatch)
		})
	}
	if s.bugs.Kill {
		s.after(half, func() { s.kill(0) })
	}
	if s.bugs.Cut {
		s.after(half, s.cut)
	}
	if s.bugs.Abandon {
		s.after(half, func() { s.closed = true })
	}
}

// freeze keeps the broker from handing out.
func (s *sim) freeze(d int64) {
	s.frozen = max(s.frozen, s.now+d)
	s.after(d, s.dispatch)
}
