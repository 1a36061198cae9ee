package scenario

import (
	"fmt"
	"math"
	"time"
)

// A Dist is a distribution of durations. The zero value is always 0.
type Dist struct {
	Kind     string        // constant, uniform, exponential, lognormal
	P50, P99 time.Duration // constant: P50 alone; lognormal: both
	Min, Max time.Duration // uniform
	Mean     time.Duration // exponential
}

// distKinds are the kinds with the keys that each takes, all of which it needs.
var distKinds = map[string][]string{
	"constant":    {"p50"},
	"uniform":     {"min", "max"},
	"exponential": {"mean"},
	"lognormal":   {"p50", "p99"},
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// Quantile is the duration below which a share u of all durations lie; u is at least 0 and less than 1.
func (d Dist) Quantile(u float64) time.Duration {
	switch d.Kind {
	case "uniform":
		return d.Min + time.Duration(u*float64(d.Max-d.Min))
	case "exponential":
		return time.Duration(-math.Log1p(-u) * float64(d.Mean))
	case "lognormal":
		if d.P99 == d.P50 {
			return d.P50
		}
		sigma := math.Log(float64(d.P99)/float64(d.P50)) / z99
		z := math.Sqrt2 * math.Erfinv(2*max(u, 1e-12)-1)
		return time.Duration(float64(d.P50) * math.Exp(sigma*z))
	}
	return d.P50
}

// Zero tells whether no distribution was given.
func (d Dist) Zero() bool { return d == Dist{} }

// check says what is wrong with the distribution, or nil.
func (d Dist) check() error {
	switch d.Kind {
	case "uniform":
		if d.Min < 0 || d.Max < d.Min {
			return fmt.Errorf("uniform from %v to %v: min must not be negative, nor above max", d.Min, d.Max)
		}
	case "exponential":
		if d.Mean <= 0 {
			return fmt.Errorf("exponential with mean %v: it must be above 0", d.Mean)
		}
	case "lognormal":
		if d.P50 <= 0 || d.P99 < d.P50 {
			return fmt.Errorf("lognormal with p50 %v and p99 %v: p50 must be above 0, p99 not below it", d.P50, d.P99)
		}
	default:
		if d.P50 < 0 {
			return fmt.Errorf("a duration of %v: it must not be negative", d.P50)
		}
	}
	return nil
}
