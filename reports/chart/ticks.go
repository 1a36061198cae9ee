package chart

import (
	"math"

	"gonum.org/v1/plot"
)

// even marks a linear axis at round multiples of a unit: 0, 50, 100; with 1<<20 as the unit, 0, 20 MiB, 40 MiB.
type even struct {
	about int // how many marks are wanted
	unit  float64
	spell func(float64) string
}

func (e even) Ticks(low, high float64) []plot.Tick {
	step := e.step(high - low)
	var ts []plot.Tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9); i++ {
		ts = append(ts, plot.Tick{Value: i * step, Label: e.spell(i * step)})
	}
	return ts
}

// step is the smallest of 1, 2, 2.5 and 5 times a power of ten that gives no more marks than wanted.
func (e even) step(span float64) float64 {
	span /= e.unit
	if !(span > 0) {
		return e.unit
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(span/float64(e.about))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if span/(m*magnitude) <= float64(e.about) {
			return m * magnitude * e.unit
		}
	}
	return 10 * magnitude * e.unit
}

// top is the first mark at or above the value: where an axis that starts at 0 ends.
func (e even) top(value float64) float64 {
	step := e.step(value)
	return math.Ceil(value/step*(1-1e-9)) * step
}

// decades marks a logarithmic axis at powers of ten, at 1-2-5 steps where there are few of them.
type decades struct{ spell func(float64) string }

func (d decades) Ticks(low, high float64) []plot.Tick {
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	steps, every := []float64{1}, 1
	switch n := math.Log10(high / low); {
	case n <= 2.2:
		steps = []float64{1, 2, 5}
	case n > 7:
		every = 2
	}
	var ts []plot.Tick
	for e := first; e <= last; e++ {
		for _, s := range steps {
			v := s * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			t := plot.Tick{Value: v}
			if int(math.Abs(e))%every == 0 {
				t.Label = d.spell(v)
			}
			ts = append(ts, t)
		}
	}
	return ts
}
