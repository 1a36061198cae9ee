package metrics

import (
	"context"
	"math"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"taskbench/harness/lab"
)

// SampleEvery is how often every node's resources are read.
const SampleEvery = 250 * time.Millisecond

// A Sample is what one node used at one moment.
type Sample struct {
	At float64 // seconds since the load began
	lab.Stats
}

// A Sampler reads one node's resources until it is stopped.
type Sampler struct {
	Node string

	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	samples []Sample
	carried float64 // CPU seconds of lives that ended
	stride  int     // readings that a sample stands for
	lacking int     // readings that the last sample does not have yet
}

// mostSamples bounds what a Sampler keeps: 20 minutes of readings. Of a longer time two neighbours become one sample, and
// again when that is full: it has the time and the CPU seconds of the second, and of the rest the higher, so that no peak
// is lost.
const mostSamples = 4800

// Watch starts sampling. A node that is down yields no samples while it is; when its CPU seconds fall, a new life
// has begun, and they are added to those of the lives before.
func Watch(ctx context.Context, node string, begin time.Time, read func(context.Context) (lab.Stats, error)) *Sampler {
	ctx, stop := context.WithCancel(ctx)
	s := &Sampler{Node: node, stop: stop, done: make(chan struct{})}
	go s.run(ctx, begin, read)
	return s
}

func (s *Sampler) run(ctx context.Context, begin time.Time, read func(context.Context) (lab.Stats, error)) {
	defer close(s.done)
	tick := time.NewTicker(SampleEvery)
	defer tick.Stop()
	for {
		now := time.Since(begin).Seconds()
		if stats, err := read(ctx); err == nil {
			s.add(Sample{At: now, Stats: stats})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sampler) add(x Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.CPUSeconds += s.carried
	if n := len(s.samples); n > 0 {
		if last := s.samples[n-1].CPUSeconds; x.CPUSeconds < last {
			s.carried += last - x.CPUSeconds
			x.CPUSeconds = last
		}
	}
	if s.lacking > 0 {
		s.lacking--
		s.samples[len(s.samples)-1] = joined(s.samples[len(s.samples)-1], x)
		return
	}
	if len(s.samples) == mostSamples {
		s.thin()
	}
	s.samples = append(s.samples, x)
	s.lacking = max(s.stride, 1) - 1
}

// thin leaves half of the samples; the first stays what it was, since others are counted from it.
func (s *Sampler) thin() {
	kept := s.samples[:1]
	for i := 1; i < len(s.samples); i += 2 {
		kept = append(kept, joined(s.samples[i], s.samples[min(i+1, len(s.samples)-1)]))
	}
	s.samples, s.stride = kept, 2*max(s.stride, 1)
}

func joined(a, b Sample) Sample {
	b.RSS, b.FDs, b.Conns = max(a.RSS, b.RSS), max(a.FDs, b.FDs), max(a.Conns, b.Conns)
	return b
}

// Stop ends the sampling and returns once the last reading is over. A second call does nothing.
func (s *Sampler) Stop() {
	s.stop()
	<-s.done
}

// Samples are those so far.
func (s *Sampler) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Sample(nil), s.samples...)
}

// A Slope is a line's steepness with its interval, in units a second. With fewer than three points, or all at
// one time, it is not known: all three are 0.
type Slope struct{ PerSecond, Low, High float64 }

// RSSSlope is Fit of the memory of the samples from `from` to `to` (seconds), with a 95 % interval.
func RSSSlope(samples []Sample, from, to float64) Slope {
	var x, y []float64
	for _, s := range samples {
		if s.At >= from && s.At <= to {
			x, y = append(x, s.At), append(y, float64(s.RSS))
		}
	}
	return Fit(x, y, 0.95)
}

// Fit draws a line through values y over seconds x by least squares; the interval of the given confidence is Student's
// t times the slope's standard error, as in any textbook on linear regression. Samples of one process are not
// independent, so the interval is narrower than the truth.
func Fit(x, y []float64, confidence float64) Slope {
	if len(x) < 3 {
		return Slope{}
	}
	alpha, beta := stat.LinearRegression(x, y, nil, false)
	mean := stat.Mean(x, nil)
	var residual, spread float64
	for i := range x {
		r := y[i] - alpha - beta*x[i]
		residual += r * r
		spread += (x[i] - mean) * (x[i] - mean)
	}
	if spread == 0 || math.IsNaN(beta) {
		return Slope{}
	}
	freedom := float64(len(x) - 2)
	margin := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile((1+confidence)/2) * math.Sqrt(residual/freedom/spread)
	return Slope{PerSecond: beta, Low: beta - margin, High: beta + margin}
}
