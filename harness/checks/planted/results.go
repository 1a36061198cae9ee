package planted

import (
	"context"

	"taskbench/harness/systems"
	"taskbench/worker/result"
	"taskbench/worker/result/memory"
)

// results are where workers keep those of tasks, with the mutant's bug.
type results struct {
	*memory.Results
	plant *plant
}

func newResults(p *plant) *results { return &results{memory.New(result.Options{}), p} }

// connect makes a connection of its own end for whoever sends chords.
func (r *results) connect() systems.Counter { return r.Connect(result.Options{}) }

// Report implements result.Counter.
func (r *results) Report(ctx context.Context, p result.Part) ([]result.Part, error) {
	if counted := r.plant.mutant.counted; counted != nil && !counted(r.plant, p) {
		return nil, nil
	}
	return r.Results.Report(ctx, p)
}
