package harness

import (
	"slices"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
)

// inOrder tells whether a cell's tasks must reach its workers in the order of their publishing: the broker promises
// it, and there is one worker that has one message at a time.
func inOrder(c CellPlan) bool {
	y := c.Scenario.System
	return c.Variant.Promised(brokers.FIFO) && y.Workers == 1 && y.Concurrency == 1 && prefetch(y) == 1 && len(c.Scenario.Workload.Queues(queue)) == 1
}

// mostSamples is how many samples of a quantity a history keeps: the others are left out, evenly.
const mostSamples = 600

// series is what every node used and the broker held, for the history. What a broker within this process used is this
// process's, whose own books grow: only its connections are told apart.
func (s *stage) series() []ledger.Series {
	var all []ledger.Series
	for _, sampler := range s.samplers {
		samples := sampler.Samples()
		step := max(1, (len(samples)+mostSamples-1)/mostSamples)
		for what, of := range quantities {
			if what != "connections" && s.node.Info().Shared && sampler.Node == s.node.Info().Name {
				continue
			}
			line := ledger.Series{Node: sampler.Node, What: what}
			for i := 0; i < len(samples); i += step {
				if v := of(samples[i]); v >= 0 {
					line.At, line.Of = append(line.At, int64(samples[i].At*1e9)), append(line.Of, v)
				}
			}
			if len(line.At) > 0 {
				all = append(all, line)
			}
		}
	}
	if s.depths != nil { // the load has begun
		all = append(all, s.depths.series()...)
	}
	slices.SortFunc(all, func(a, b ledger.Series) int {
		return slices.Compare([]string{a.Node, a.What}, []string{b.Node, b.What})
	})
	return all
}

// quantities are those that nodes are watched for; below 0 is not known.
var quantities = map[string]func(metrics.Sample) float64{
	"rss":         func(x metrics.Sample) float64 { return float64(x.RSS) },
	"fds":         func(x metrics.Sample) float64 { return float64(x.FDs) },
	"connections": func(x metrics.Sample) float64 { return float64(x.Conns) },
}
