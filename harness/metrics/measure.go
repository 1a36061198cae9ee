package metrics

import (
	"time"

	"taskbench/harness/ledger"
)

// A Measurement is what one pass over a history yields.
type Measurement struct {
	Whole  Set    // of the tasks due in the measured span
	Phases []Span // one for each phase asked for, in order
	Rates  Rates
}

// A Span is one phase: tasks count for it by when they were due, rates by when things happened.
type Span struct {
	Phase     ledger.Phase
	Set       Set
	Due       int // tasks due in it
	Completed int // tasks first completed in it
}

// Offered and CompletedRate are tasks a second over the span.
func (s *Span) Offered() float64       { return rate(s.Due, s.Phase) }
func (s *Span) CompletedRate() float64 { return rate(s.Completed, s.Phase) }

func rate(n int, p ledger.Phase) float64 {
	if p.To <= p.From {
		return 0
	}
	return float64(n) / (float64(p.To-p.From) / 1e9)
}

// Rates are counts in bins of Step, from the load's begin on.
type Rates struct {
	Step      time.Duration
	Due       []int
	Completed []int
}

// PerSecond turns counts into tasks a second.
func (r Rates) PerSecond(counts []int) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = float64(n) / r.Step.Seconds()
	}
	return out
}

// Add adds the counts of another part of the same run, measured with the same Step.
func (r *Rates) Add(o Rates) {
	r.Step = o.Step
	r.Due, r.Completed = sum(r.Due, o.Due), sum(r.Completed, o.Completed)
}

func sum(a, b []int) []int {
	for len(a) < len(b) {
		a = append(a, 0)
	}
	for i, n := range b {
		a[i] += n
	}
	return a
}

// Measure makes one pass over the history. Whole takes in tasks due from warmed on, until paced.
func Measure(h ledger.History, phases []ledger.Phase, warmed, paced int64) *Measurement {
	m := &Measurement{Phases: make([]Span, len(phases)), Rates: Rates{Step: step(h.Meta().DrainEnded)}}
	for i, p := range phases {
		m.Phases[i].Phase = p
	}
	for t := range h.All() {
		if int(t.Seq) >= h.Len() {
			continue // never due: the checks have something to say about it
		}
		m.Rates.Due = m.Rates.count(m.Rates.Due, t.Due)
		if t.Due >= warmed && t.Due < paced {
			m.Whole.Add(t)
		}
		if i := phaseAt(phases, t.Due); i >= 0 {
			m.Phases[i].Due++
			m.Phases[i].Set.Add(t)
		}
		if done, ok := FirstCompleted(t); ok {
			m.Rates.Completed = m.Rates.count(m.Rates.Completed, done.Finished)
			if i := phaseAt(phases, done.Finished); i >= 0 {
				m.Phases[i].Completed++
			}
		}
	}
	return m
}

func phaseAt(phases []ledger.Phase, at int64) int {
	for i, p := range phases {
		if at >= p.From && at < p.To {
			return i
		}
	}
	return -1
}

// step keeps a chart between a hundred and a few hundred bins.
func step(length int64) time.Duration {
	for _, s := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second} {
		if length/int64(s) <= 400 {
			return s
		}
	}
	return 5 * time.Minute
}

func (r Rates) count(bins []int, at int64) []int {
	if at < 0 {
		return bins
	}
	i := int(at / int64(r.Step))
	for len(bins) <= i {
		bins = append(bins, 0)
	}
	bins[i]++
	return bins
}
