package harness

import (
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario"
)

func (s *stage) measure(cell *Cell, h ledger.History, c course) {
	l := s.cell.Scenario.Load
	m := metrics.Measure(h, h.Meta().Phases, int64(l.Warmup), c.paced)
	cell.Latency = latencies(m.Whole)
	var due, completed int
	for i := range m.Phases {
		p := &m.Phases[i]
		r := PhaseResult{
			Phase: p.Phase.Name, From: seconds(p.Phase.From), To: seconds(p.Phase.To), Latency: latencies(p.Set),
			Throughput: Throughput{Offered: p.Offered(), Completed: p.CompletedRate()},
		}
		switch p.Phase.Name {
		case "warmup":
		case "drain":
			r.Throughput.Drain = drainRate(p.Completed, c)
			cell.Throughput.Drain = r.Throughput.Drain
		default:
			due, completed = due+p.Due, completed+p.Completed
		}
		cell.Phases = append(cell.Phases, r)
	}
	if measured := seconds(c.paced) - l.Warmup.Seconds(); measured > 0 {
		cell.Throughput.Offered, cell.Throughput.Completed = float64(due)/measured, float64(completed)/measured
	}
	cell.Load.Extended = seconds(c.paced - int64(s.span()))
	cell.Series.Step = m.Rates.Step.Seconds()
	cell.Series.Offered = m.Rates.PerSecond(m.Rates.Due)
	cell.Series.Completed = m.Rates.PerSecond(m.Rates.Completed)
}

// drainRate is the rate at which a backlog was worked off once publishing had ended; a handful of tasks that were
// just under way is no backlog.
func drainRate(completed int, c course) float64 {
	took := seconds(c.drain.quiet - c.loadEnd)
	if completed < 100 || took < 0.5 {
		return 0
	}
	return float64(completed) / took
}

func latencies(s metrics.Set) map[string]Latency {
	out := map[string]Latency{}
	for stage, q := range s.Quantiles() {
		out[stage] = Latency(q)
	}
	return out
}

// faultResults are the faults that took effect, in order of the schedule, whose warm-up lasts so long.
func faultResults(list []injection, warmup time.Duration) []FaultResult {
	out := []FaultResult{}
	for _, i := range list {
		if i.inEffect == 0 {
			continue
		}
		out = append(out, FaultResult{
			Number: i.number, PlannedAt: (warmup + i.planned.At).Seconds(), PlannedFor: i.planned.For.Seconds(),
			Fault: i.name, Node: i.node, At: seconds(i.at), InEffect: seconds(i.inEffect), Healed: seconds(i.healed),
			Proof: i.proof, HealProof: i.healProof, Steps: i.steps,
		})
	}
	return out
}

// recovery is counted from the moment when the last fault began to be healed.
func recovery(h ledger.History, c course) Recovery {
	var last injection
	for _, i := range c.faults {
		if i.healed > last.healed {
			last = i
		}
	}
	if last.healed == 0 {
		return Recovery{}
	}
	var steady ledger.Phase
	for _, p := range h.Meta().Phases {
		if p.Name == "steady" {
			steady = p
			break
		}
	}
	r := metrics.Recover(h, steady, last.healStart, last.healed)
	out := Recovery{FirstPublish: r.FirstPublish, FirstCompletion: r.FirstCompletion, To90Percent: r.To90Percent, BacklogDrained: r.BacklogDrained}
	if scenario.Kind(last.node) == "broker" {
		took := seconds(last.healed - last.healStart)
		out.BrokerReachable = &took
	}
	return out
}

// resources are what each node used; the slope of memory is that of the load, its warm-up left out.
func (s *stage) resources(c course) ([]Resource, []NodeSeries) {
	from, to := s.cell.Scenario.Load.Warmup.Seconds(), seconds(c.loadEnd)
	all, lines := []Resource{}, []NodeSeries{}
	for _, sampler := range s.samplers {
		samples := sampler.Samples()
		if len(samples) == 0 {
			continue
		}
		slope := metrics.RSSSlope(samples, from, to)
		r := Resource{Node: sampler.Node, RSSSlope: slope.PerSecond, RSSSlopeLow: slope.Low, RSSSlopeHigh: slope.High}
		line := NodeSeries{Node: sampler.Node}
		before := samples[0]
		for _, x := range samples {
			r.RSSPeak, r.FDsPeak = max(r.RSSPeak, x.RSS), max(r.FDsPeak, x.FDs)
			cores := 0.0
			if x.At > before.At {
				cores = (x.CPUSeconds - before.CPUSeconds) / (x.At - before.At)
			}
			line.At, line.RSS, line.CPU = append(line.At, x.At), append(line.RSS, x.RSS), append(line.CPU, cores)
			before = x
		}
		r.CPUSeconds = before.CPUSeconds - samples[0].CPUSeconds
		all, lines = append(all, r), append(lines, line)
	}
	return all, lines
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }
