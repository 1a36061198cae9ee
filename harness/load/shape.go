package load

import (
	"fmt"
	"iter"
	"time"

	"taskbench/harness/scenario"
)

// Pace yields the due times of a scenario's load: warm-up and measured span are one sequence, so that nothing
// happens to the offered rate where the one passes into the other. A ramp warms up at its first rate.
func Pace(l scenario.Load, seed uint64) (iter.Seq[time.Duration], error) {
	span := l.Warmup + l.For
	switch l.Shape {
	case "constant":
		return Constant(l.Rate, span), nil
	case "poisson":
		return Poisson(l.Rate, span, seed), nil
	case "ramp":
		return After(Constant(l.From, l.Warmup), l.Warmup, Ramp(l.From, l.Rate, l.For)), nil
	case "burst":
		return Burst(l.Burst, l.Every, span), nil
	}
	return nil, fmt.Errorf("no pacer for load shape %q: there are constant, poisson, ramp and burst", l.Shape)
}
