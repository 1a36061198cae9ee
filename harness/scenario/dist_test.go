package scenario

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		d    Dist
		u    float64
		want time.Duration
	}{
		{Dist{Kind: "constant", P50: 7 * ms}, 0.3, 7 * ms},
		{Dist{Kind: "uniform", Min: 10 * ms, Max: 20 * ms}, 0.25, 12500 * time.Microsecond},
		{Dist{Kind: "exponential", Mean: 10 * ms}, 1 - 1/math.E, 10 * ms},
		{Dist{Kind: "lognormal", P50: 20 * ms, P99: 200 * ms}, 0.5, 20 * ms},
		{Dist{Kind: "lognormal", P50: 20 * ms, P99: 200 * ms}, 0.99, 200 * ms},
		{Dist{Kind: "lognormal", P50: 20 * ms, P99: 200 * ms}, 0.01, 2 * ms},
		{Dist{Kind: "lognormal", P50: 20 * ms, P99: 20 * ms}, 0.99, 20 * ms},
		{Dist{}, 0.5, 0},
	} {
		if got := c.d.Quantile(c.u); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("quantile %v of %+v is %v, want %v", c.u, c.d, got, c.want)
		}
		var all []time.Duration
		for u := 0.0; u < 1; u += 0.001 {
			all = append(all, c.d.Quantile(u))
		}
		if !slices.IsSorted(all) || all[0] < 0 {
			t.Errorf("%+v: quantiles fall, or are negative: %v", c.d, all[0])
		}
	}
}
