package checks

import (
	"fmt"
	"math"
	"strings"

	"taskbench/harness/ledger"
)

// A spell is a time in which a fault had set the wall clock of a beat.
type spell struct {
	ledger.FaultSpan
	end int64 // the clock was right again then, at the latest
}

func (sc *scope) spells() []spell {
	var list []spell
	for _, f := range sc.byBegin() {
		if strings.HasPrefix(f.Node, "beat-") && (f.Ahead != 0 || f.Gains != 0) {
			s := spell{f, f.Healed}
			if s.end == 0 {
				s.end = math.MaxInt64
			}
			list = append(list, s)
		}
	}
	return list
}

// reached is when the beat's clock first read a time or went past it, as early or as late as that may have been.
func (s *spell) reached(due int64) int64 {
	if due <= s.At {
		return due
	}
	at := math.Inf(1)
	if pace := 1 + s.Gains; pace > 0 {
		at = float64(s.At) + max(0, float64(due-s.At-s.Ahead))/pace
	}
	if at > float64(s.end) { // it was set right before
		return max(due, s.end)
	}
	return int64(at)
}

// touches tells whether the beat's clock read a time, or did not read it, when it was not that time.
func (s *spell) touches(due int64) bool {
	return due > s.At+min(0, s.Ahead) && (due <= s.end || s.reached(due) != due)
}

// String says what the fault did, for findings.
func (s *spell) String() string {
	until := "the end"
	if s.Healed != 0 {
		until = seconds(s.Healed)
	}
	was := fmt.Sprintf("%s ahead", seconds(s.Ahead))
	switch {
	case s.Gains > 0:
		was = fmt.Sprintf("gain %.1f %%", 100*s.Gains)
	case s.Gains < 0:
		was = fmt.Sprintf("lose %.1f %%", -100*s.Gains)
	case s.Ahead < 0:
		was = fmt.Sprintf("%s behind", seconds(-s.Ahead))
	}
	return fmt.Sprintf("fault %s had the clock of %s %s from %s to %s", s.Fault, s.Node, was, seconds(s.At), until)
}

// A tock is a tick with what faults on the clocks of beats make of it.
type tock struct {
	*ledger.Tick
	from, to int64  // it is due between the two: by the right clock, or by that of a beat
	why      string // the faults, for findings; "" where there were none
}

func tockOf(t *ledger.Tick, spells []spell) tock {
	k := tock{Tick: t, from: t.Due, to: t.Due}
	for i := range spells {
		if s := &spells[i]; s.touches(t.Due) {
			at := s.reached(t.Due)
			k.from, k.to = min(k.from, at), max(k.to, at)
			k.why += "; " + s.String()
		}
	}
	return k
}
