package metrics

import (
	"math"
	"math/rand/v2"
	"testing"

	"taskbench/harness/lab"
)

// The samples of a day are few, and keep what a node used in all, its peaks, and the first and last of it.
func TestSamplesOfADayAreThinnedOut(t *testing.T) {
	const readings = 24 * 3600 * 4
	var s Sampler
	for i := range readings {
		x := Sample{At: float64(i) / 4, Stats: lab.Stats{CPUSeconds: 5 + float64(i)/40, RSS: 100, FDs: 7, Conns: -1}}
		if i == readings/3 {
			x.RSS, x.FDs = 1e6, 99
		}
		s.add(x)
	}
	list := s.Samples()
	if len(list) > mostSamples || len(list) < mostSamples/2 {
		t.Errorf("%d samples", len(list))
	}
	first, last := list[0], list[len(list)-1]
	if first.At != 0 || last.At != float64(readings-1)/4 || math.Abs(last.CPUSeconds-first.CPUSeconds-float64(readings-1)/40) > 1e-6 {
		t.Errorf("from %+v to %+v", first, last)
	}
	peak, fds := int64(0), 0
	for i, x := range list {
		peak, fds = max(peak, x.RSS), max(fds, x.FDs)
		if i > 0 && x.At <= list[i-1].At {
			t.Fatalf("sample %d goes back to %v", i, x.At)
		}
	}
	if peak != 1e6 || fds != 99 {
		t.Errorf("peaks %d and %d", peak, fds)
	}
}

// What is looked at on the way, so that few completions are kept, gives the second that the end would give.
func TestFirstFullSecondOnTheWay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, slow := range []float64{0.2, 0.8} {
		whole, small := firstFull{at: -1}, firstFull{at: -1}
		const from, n = int64(5e9), 900.0
		most := 0
		at := float64(from)
		for at < 400e9 {
			rate := 1000 * slow
			if at > 300e9 {
				rate = 1000
			}
			at += 1e9 / rate * r.ExpFloat64()
			done := int64(at) + r.Int64N(50e6)
			whole.add(done)
			small.add(done)
			if small.large() {
				small.settle(from, n, int64(at))
			}
			most = max(most, len(small.list))
		}
		if got, want := small.begin(from, n), whole.begin(from, n); got != want || want < 0 {
			t.Errorf("at %d, and at the end %d", got, want)
		}
		if most > large {
			t.Errorf("%d completions were kept", most)
		}
	}
}
