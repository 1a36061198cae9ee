package load

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/quick"
	"time"

	"taskbench/harness/scenario"
)

// A shape is a pacer with the integral of its rate.
type shape struct {
	name  string
	due   iter.Seq[time.Duration]
	tasks float64
	span  time.Duration
	slack float64
}

func shapes(r *rand.Rand) []shape {
	rate, from := 1+r.Float64()*2000, r.Float64()*2000
	span := time.Duration(1+r.IntN(5000)) * time.Millisecond
	n, every := 1+r.IntN(300), time.Duration(1+r.IntN(1000))*time.Millisecond
	area := rate * span.Seconds()
	return []shape{
		{"constant", Constant(rate, span), area, span, 1},
		{"poisson", Poisson(rate, span, r.Uint64()), area, span, 4*math.Sqrt(area) + 1},
		{"ramp up", Ramp(0, rate, span), area / 2, span, 1},
		{"ramp", Ramp(from, rate, span), (from + rate) / 2 * span.Seconds(), span, 1},
		{"ramp down", Ramp(rate, 0, span), area / 2, span, 1},
		{"burst", Burst(n, every, span), float64(n) * math.Ceil(float64(span)/float64(every)), span, 0},
	}
}

func TestCountIsTheIntegralOfTheRate(t *testing.T) {
	// The seed is fixed: within four sigma is a matter of chance, and ten thousand draws would find the tail.
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		for _, s := range shapes(r) {
			count, last := 0, time.Duration(0)
			for due := range s.due {
				if due < last {
					t.Fatalf("%s: task %d is due at %v, before its predecessor at %v", s.name, count, due, last)
				}
				if due >= s.span {
					t.Fatalf("%s: task %d is due at %v, after the end at %v", s.name, count, due, s.span)
				}
				last = due
				count++
			}
			if math.Abs(float64(count)-s.tasks) > s.slack {
				t.Errorf("%s over %v: %d tasks, the integral is %.2f", s.name, s.span, count, s.tasks)
			}
		}
	}
}

func TestRoundRatesAreExact(t *testing.T) {
	if n := len(slices.Collect(Constant(200, 30*time.Second))); n != 6000 {
		t.Errorf("200/s for 30 s is %d tasks, want 6000", n)
	}
	if n := len(slices.Collect(Ramp(0, 100, 10*time.Second))); n != 500 {
		t.Errorf("0 to 100/s in 10 s is %d tasks, want 500", n)
	}
}

func TestRampFollowsItsRateEverywhere(t *testing.T) {
	const from, to = 50.0, 450.0
	span := 8 * time.Second
	k := 0.0
	for due := range Ramp(from, to, span) {
		at := due.Seconds()
		if area := from*at + (to-from)*at*at/(2*span.Seconds()); math.Abs(area-k) > 1e-5 {
			t.Fatalf("task %v is due at %v s, where the integral is %v", k, at, area)
		}
		k++
	}
}

func TestSameSeedSameTimes(t *testing.T) {
	same := func(seed uint64) bool {
		a, b := slices.Collect(Poisson(500, time.Second, seed)), slices.Collect(Poisson(500, time.Second, seed))
		return slices.Equal(a, b) && !slices.Equal(a, slices.Collect(Poisson(500, time.Second, seed+1)))
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestPoissonGapsAreExponential(t *testing.T) {
	var gaps []float64
	last := time.Duration(0)
	for due := range Poisson(1000, 20*time.Second, 7) {
		gaps = append(gaps, (due - last).Seconds())
		last = due
	}
	slices.Sort(gaps)
	// Of an exponential distribution the median is ln 2 of the mean, and 1 in e is longer than the mean.
	if median := gaps[len(gaps)/2] * 1000; math.Abs(median-math.Ln2) > 0.03 {
		t.Errorf("median gap is %.3f of the mean, want %.3f", median, math.Ln2)
	}
	long := len(gaps) - slices.IndexFunc(gaps, func(g float64) bool { return g > 0.001 })
	if share := float64(long) / float64(len(gaps)); math.Abs(share-1/math.E) > 0.02 {
		t.Errorf("%.3f of the gaps are longer than the mean, want %.3f", share, 1/math.E)
	}
}

func TestNoTaskWithoutARate(t *testing.T) {
	for name, due := range map[string]iter.Seq[time.Duration]{
		"constant": Constant(0, time.Second), "poisson": Poisson(0, time.Second, 1),
		"ramp": Ramp(0, 0, time.Second), "burst": Burst(5, 0, time.Second), "no time": Constant(5, 0),
	} {
		if got := slices.Collect(due); len(got) != 0 {
			t.Errorf("%s: %v, want none", name, got)
		}
	}
}

func TestWarmUpAndMeasuredSpanAreOneSequence(t *testing.T) {
	for _, l := range []scenario.Load{
		{Shape: "constant", Rate: 300, Warmup: 333 * time.Millisecond, For: time.Second},
		{Shape: "poisson", Rate: 300, Warmup: 333 * time.Millisecond, For: time.Second},
		{Shape: "ramp", From: 100, Rate: 300, Warmup: 333 * time.Millisecond, For: time.Second},
		{Shape: "burst", Burst: 10, Every: 100 * time.Millisecond, Warmup: 333 * time.Millisecond, For: time.Second},
	} {
		due, err := Pace(l, 5)
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Collect(due)
		if !slices.IsSorted(all) || all[0] > 50*time.Millisecond || all[len(all)-1] < 1200*time.Millisecond {
			t.Errorf("%s: %d tasks from %v to %v, sorted %v", l.Shape, len(all), all[0], all[len(all)-1], slices.IsSorted(all))
		}
	}
	if _, err := Pace(scenario.Load{Shape: "sine"}, 1); err == nil {
		t.Error("an unknown shape was paced")
	}
}
