package oracle

import (
	"math/rand/v2"

	"taskbench/harness/ledger"
)

// A chord is what really became of one.
type chord struct {
	seq     uint64 // of the body
	pending map[uint64]bool
	over    int64   // when the last task of the header ended well
	runs    []int64 // when the runs of the body began that came to an end
	called  bool
}

// compose makes a chord of five tasks out of each hundred. The bodies have the numbers after the last task.
func (s *sim) compose() {
	for first := uint64(10); first+5 <= uint64(s.tasks); first += 100 {
		c := &chord{seq: uint64(s.tasks + len(s.chords)), pending: map[uint64]bool{}}
		told := ledger.Chord{Body: c.seq}
		for seq := first; seq < first+5; seq++ {
			told.Header = append(told.Header, seq)
			c.pending[seq], s.member[seq] = true, c
		}
		body := s.of(c.seq)
		body.body, body.due = c, s.of(first).due
		s.rec.Due(c.seq, body.due)
		s.chords = append(s.chords, c)
		s.meta.Chords = append(s.meta.Chords, told)
	}
}

// advance is one more task of the header that ended well.
func (s *sim) advance(c *chord, seq uint64) {
	delete(c.pending, seq)
	if len(c.pending) == 0 && c.over == 0 {
		c.over = s.now
	}
	soon := len(c.pending) == 1 && s.oneIn(s.bugs.ChordTooSoon)
	if c.called || len(c.pending) > 0 && !soon {
		return
	}
	c.called = true
	if s.oneIn(s.bugs.ChordNever) {
		return
	}
	s.store(message{seq: c.seq})
	if s.oneIn(s.bugs.ChordTwice) {
		s.store(message{seq: c.seq})
	}
}

// wrong is how many runs of the body should not have been, or not then.
func (c *chord) wrong() int {
	if len(c.runs) == 0 {
		return 0
	}
	n := len(c.runs) - 1
	if c.over == 0 || c.runs[0] < c.over-slack {
		n++
	}
	return n
}

// beat is a schedule of one entry, every 100 ms for as long as tasks are due.
func (s *sim) beat() {
	const every = 100 * ms
	for due := every; due < int64(s.tasks)*s.every; due += every {
		t := ledger.Tick{Entry: "each", Due: due}
		switch sent := due + s.rng.Int64N(5*ms); {
		case s.oneIn(s.bugs.TickMiss):
			s.sum["tick-missed"]++
		case s.oneIn(s.bugs.TickLate):
			t.Sent = []int64{sent + 3000*ms}
			s.sum["tick-late"]++
		case s.oneIn(s.bugs.TickTwice):
			t.Sent = []int64{sent, sent + 10*ms}
			s.sum["tick-repeated"]++
		default:
			t.Sent = []int64{sent}
		}
		s.meta.Ticks = append(s.meta.Ticks, t)
	}
}

// watch is the memory of the workers, four times a second: it rises while they warm up, and is uneven.
func (s *sim) watch() {
	noise := rand.New(rand.NewPCG(s.rng.Uint64(), 1))
	const mib = float64(1 << 20)
	for i, node := range s.meta.Nodes[1:] {
		line := ledger.Series{Node: node, What: "rss"}
		level := 0.0
		for at := int64(0); at < s.meta.DrainEnded; at += 250 * ms {
			seconds := float64(at) / 1e9
			level = 0.9*level + noise.NormFloat64() // neighbours are alike, as in life
			rss := 40*mib + 30*mib*min(seconds, 3)/3 + level*mib/4
			if s.bugs.Leak && i == 0 {
				rss += seconds * mib
			}
			line.At, line.Of = append(line.At, at), append(line.Of, rss)
		}
		s.meta.Series = append(s.meta.Series, line)
	}
	if s.bugs.Leak {
		s.sum["growth"]++
	}
}
