package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Realise turns the schedule into plain lines, in order of time and each with a number: periodic lines into the times
// that they stand for, and chaos into what it draws from its own seed or else from the given one. It is a pure
// function: the same scenario and seed give the same lines, and a scenario that is realised stays as it is. The
// scenario must have been parsed without mistakes.
//
// The error says that chance, or a load that was shortened, left nothing of what was asked for: such a run would
// break nothing and pass.
func Realise(s Scenario, seed uint64) (Scenario, error) {
	var lines []Fault
	for _, f := range s.Faults {
		f.Params = maps.Clone(f.Params)
		lines = append(lines, f.occurrences(s.Load.For)...)
	}
	if c := s.Chaos; c.given() {
		if c.Seed != 0 {
			seed = c.Seed
		}
		certain := len(lines)
		if lines = c.draw(lines, &s, seed); len(lines) == certain {
			return s, fmt.Errorf("scenario %s: chaos with mtbf %s drew no fault from seed %d that fits into %s of load: lower chaos.mtbf, lengthen load.for, or choose another seed",
				s.Name, FormatDuration(c.MTBF), seed, FormatDuration(s.Load.For))
		}
		s.Chaos = Chaos{}
	}
	if len(lines) >= maxFaults {
		return s, fmt.Errorf("scenario %s: its schedule has %d faults or more: let them happen more seldom, or shorten the load", s.Name, maxFaults)
	}
	slices.SortStableFunc(lines, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	number(lines)
	s.Faults = lines
	return s, nil
}

// number gives the lines without a number those after the highest, in order.
func number(lines []Fault) {
	last := 0
	for _, f := range lines {
		last = max(last, f.Number)
	}
	for i := range lines {
		if lines[i].Number == 0 {
			last++
			lines[i].Number = last
		}
	}
}
