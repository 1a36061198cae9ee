package load

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Constant yields due times at an even rate, the first at 0, all before span.
func Constant(rate float64, span time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for k := 0; rate > 0; k++ {
			due := seconds(float64(k) / rate)
			if due >= span || !yield(due) {
				return
			}
		}
	}
}

// Poisson yields due times with exponential gaps of mean 1/rate, all before span. The same seed gives the
// same times.
func Poisson(rate float64, span time.Duration, seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if rate <= 0 {
			return
		}
		gaps := rand.New(rand.NewPCG(seed, 0x706f6973736f6e))
		// The sum stays in floating point: rounding each gap to a nanosecond would bend high rates.
		for at := 0.0; ; {
			at += gaps.ExpFloat64() / rate
			due := seconds(at)
			if due >= span || !yield(due) {
				return
			}
		}
	}
}

// Ramp yields due times whose rate goes linearly from one rate to another over the span. The k-th task is due
// when the integral of the rate reaches k.
func Ramp(from, to float64, span time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		slope := (to - from) / span.Seconds()
		for k := 0.0; from > 0 || to > 0; k++ {
			// The root of from*t + slope*t*t/2 = k, in the form that stays exact when the slope is small.
			root := from*from + 2*slope*k
			if root < 0 {
				return // a falling ramp whose whole area is less than k
			}
			due := time.Duration(0)
			if k > 0 {
				due = seconds(2 * k / (from + math.Sqrt(root)))
			}
			if due >= span || !yield(due) {
				return
			}
		}
	}
}

// Burst yields n equal due times at 0 and after every period, all before span.
func Burst(n int, every, span time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for due := time.Duration(0); due < span && every > 0; due += every {
			for range n {
				if !yield(due) {
					return
				}
			}
		}
	}
}

// After yields what first yields, and then what next yields, shifted by offset.
func After(first iter.Seq[time.Duration], offset time.Duration, next iter.Seq[time.Duration]) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for due := range first {
			if !yield(due) {
				return
			}
		}
		for due := range next {
			if !yield(offset + due) {
				return
			}
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }
