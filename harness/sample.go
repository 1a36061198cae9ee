package harness

import (
	"context"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/lab/proc"
	"taskbench/harness/metrics"
	"taskbench/harness/systems"
)

// sample starts reading what every node uses, and how much the broker holds.
func (s *stage) sample(ctx context.Context) {
	begin := time.Now().Add(-time.Duration(s.now()))
	if !s.cell.Driver.Server.Library {
		nodes := []lab.Node{s.node}
		if g, ok := s.node.(lab.Group); ok {
			nodes = g.Members()
		}
		for _, n := range nodes {
			s.samplers = append(s.samplers, metrics.Watch(ctx, n.Info().Name, begin, n.Stats))
		}
	}
	for _, w := range s.processes() {
		s.samplers = append(s.samplers, metrics.Watch(ctx, w.Name(), begin, usageOf(w)))
	}
	c := s.newCounter()
	s.depths = watchDepths(ctx, s.now, []question{{"unacked", c.unacked}, {"keys", c.keys}}, c.close)
}

// usageOf sums a worker's parent and children.
func usageOf(w systems.Worker) func(context.Context) (lab.Stats, error) {
	return func(context.Context) (lab.Stats, error) {
		used, err := proc.Sum(w.PIDs())
		if err != nil {
			return lab.Stats{}, err
		}
		return lab.Stats{CPUSeconds: used.CPUSeconds, RSS: used.RSS, FDs: used.FDs, Conns: -1}, nil
	}
}
