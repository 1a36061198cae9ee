package checks

import (
	"math"
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
)

func init() {
	register(Check{
		Name: "growth",
		Doc: "Quantities of a node (memory, file descriptors, connections; of a broker that counts them, unacknowledged messages and keys without an expiry) that rose all through the longest " +
			"stretch of the load without a fault: the 99.9 % interval of a straight line's slope is above zero in both halves, each half has " +
			"a quarter of the rise, and the rise is no trifle. Stretches of less than 20 s say nothing.",
		begin: growth,
	})
}

// trifles are rises that are nothing to tell of; a tenth of the mean is one as well.
var trifles = map[string]float64{"rss": 16 << 20, "fds": 16, "connections": 8, "unacked": 100, "keys": 50}

const (
	growthSpan    = int64(20 * time.Second)
	growthSamples = 20
	confidence    = 0.999
)

func growth(sc *scope) judge {
	return judge{
		see: func(*subject) {},
		end: func() Verdict {
			b := book{sc: sc}
			from, to := sc.longestCalm()
			for i := range sc.Series {
				s := &sc.Series[i]
				x, y := within(s, from, to)
				if len(x) < growthSamples || x[len(x)-1]-x[0] < float64(growthSpan)/1e9 {
					continue
				}
				b.v.Examined++
				if line, rising := rises(x, y, trifles[s.What]); rising {
					b.found(nil, 1, "%s of %s rose by %.4g a second (%.4g to %.4g) from %s to %s", s.What, s.Node,
						line.PerSecond, line.Low, line.High, seconds(from), seconds(to))
				}
			}
			return b.present("no node was watched for long enough without a fault", "")
		},
	}
}

// rises judges a line of values over seconds.
func rises(x, y []float64, trifle float64) (metrics.Slope, bool) {
	line := metrics.Fit(x, y, confidence)
	rise := line.PerSecond * (x[len(x)-1] - x[0])
	mean := 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	if rise < max(trifle, math.Abs(mean)/10) {
		return line, false
	}
	half := len(x) / 2
	for _, part := range [][2][]float64{{x[:half], y[:half]}, {x[half:], y[half:]}} {
		s := metrics.Fit(part[0], part[1], confidence)
		if s.Low <= 0 || s.PerSecond*(part[0][len(part[0])-1]-part[0][0]) < rise/4 {
			return line, false
		}
	}
	return line, true
}

func within(s *ledger.Series, from, to int64) (x, y []float64) {
	for i, at := range s.At {
		if at >= from && at <= to && i < len(s.Of) {
			x, y = append(x, float64(at)/1e9), append(y, s.Of[i])
		}
	}
	return x, y
}

// longestCalm is the longest stretch of the load, its warm-up left out, in which no fault was in force.
func (sc *scope) longestCalm() (from, to int64) {
	begin, end := int64(0), sc.DrainEnded
	for _, p := range sc.Phases {
		switch p.Name {
		case "warmup":
			begin = p.To
		case "drain":
			end = p.From
		}
	}
	edges := []int64{begin}
	for _, f := range sc.Faults {
		if f.Healed != 0 {
			edges = append(edges, max(begin, f.Healed))
		}
	}
	for _, a := range edges {
		z := end
		for _, f := range sc.Faults {
			if f.At >= a {
				z = min(z, f.At)
			} else if f.Healed == 0 || f.Healed > a {
				z = a
			}
		}
		if z-a > to-from {
			from, to = a, z
		}
	}
	return from, to
}
