package checks

import (
	"slices"

	"taskbench/harness/ledger"
)

func init() {
	register(Check{
		Name: "chord-body",
		Doc: "Runs of a chord's body that should not have been: beyond the first, before the last task of the header had ended well, or " +
			"though one of them never did.",
		begin: chordBody,
	})
}

func chordBody(sc *scope) judge {
	b := book{sc: sc}
	c := newChords(sc)
	return judge{
		see: c.see,
		end: func() Verdict {
			for chord := range c.whole {
				b.v.Examined++
				runs, over := c.starts[chord.Body], c.over(chord)
				if n := len(runs); n > 1 {
					b.found(bodyOf(chord), n-1, "the body ran %d times", n)
				}
				switch {
				case len(runs) == 0:
				case over == 0:
					b.found(bodyOf(chord), 1, "the body ran, and the header had not ended well")
				case runs[0] < over-slack:
					b.found(bodyOf(chord), 1, "the body ran at %s, and the header had ended well only at %s", seconds(runs[0]), seconds(over))
				}
			}
			return b.present("there was no chord", sc.blind)
		},
	}
}

// bodyOf is whom a finding about a chord names.
func bodyOf(chord *ledger.Chord) *subject {
	return &subject{Task: &ledger.Task{Seq: chord.Body}}
}

// chords is what two checks want to know of the tasks in chords.
type chords struct {
	sc     *scope
	in     map[uint64]bool
	seen   map[uint64]bool
	well   map[uint64]int64   // when a task first ended well
	starts map[uint64][]int64 // of the attempts that ran to an end, in order
	left   map[uint64]bool    // still there, or kept aside
}

func newChords(sc *scope) *chords {
	c := &chords{sc: sc, in: map[uint64]bool{}, seen: map[uint64]bool{}, well: map[uint64]int64{}, starts: map[uint64][]int64{}, left: map[uint64]bool{}}
	for _, chord := range sc.Chords {
		c.in[chord.Body] = true
		for _, seq := range chord.Header {
			c.in[seq] = true
		}
	}
	return c
}

func (c *chords) see(s *subject) {
	if len(c.in) == 0 || !c.in[s.Seq] {
		return
	}
	c.seen[s.Seq] = true
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.Completed() {
			c.starts[s.Seq] = append(c.starts[s.Seq], a.Started)
		}
		if was := c.well[s.Seq]; a.Outcome == ledger.OK && (was == 0 || a.Finished < was) {
			c.well[s.Seq] = a.Finished
		}
	}
	c.left[s.Seq] = s.left || s.aside
}

// whole yields the chords of which every task is in the part of the history that is judged.
func (c *chords) whole(yield func(*ledger.Chord) bool) {
	for i := range c.sc.Chords {
		chord := &c.sc.Chords[i]
		if !c.seen[chord.Body] || slices.ContainsFunc(chord.Header, func(seq uint64) bool { return !c.seen[seq] }) {
			continue
		}
		if !yield(chord) {
			return
		}
	}
}

// over is when the last task of the header ended well; 0 when one did not.
func (c *chords) over(chord *ledger.Chord) int64 {
	last := int64(0)
	for _, seq := range chord.Header {
		at := c.well[seq]
		if at == 0 {
			return 0
		}
		last = max(last, at)
	}
	return last
}
