package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"taskbench/harness/scenario"
)

// writeScenarios leaves in the result directory what `bench run DIR/scenario.yaml` needs to repeat the run: each
// scenario with every default filled in, on what it was run, the seed, and, once they are known, the faults as they
// really happened. A run of several scenarios leaves one file for each, named after its workload and what it breaks.
func writeScenarios(p Plan, cells []Cell) error {
	for _, s := range p.Scenarios {
		s.Run = scenario.Run{Seed: p.Seed, Brokers: p.Brokers, Pools: p.Pools, Lab: p.Lab, Repeat: p.Repeat, Faults: happened(p, s, cells)}
		if len(s.Run.Pools) == 0 {
			s.Run.Pools = []string{s.System.Pool}
		}
		text, err := scenario.Marshal(s)
		if err != nil {
			return err
		}
		name := "scenario.yaml"
		if len(p.Scenarios) > 1 {
			name = ScenarioFile(s.Workload.Name, p.under(s))
		}
		if err := os.WriteFile(filepath.Join(p.Dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the scenario that repeats the run: %w", err)
		}
	}
	return nil
}

// ScenarioFile is the name of a scenario's file in the result directory of several. Under is what it breaks, or "".
func ScenarioFile(workload, under string) string {
	if under == "" {
		return "scenario." + workload + ".yaml"
	}
	return "scenario." + workload + "." + under + ".yaml"
}

// happened lists the injections of the scenario's cells, in the order in which the cells ran.
func happened(p Plan, s scenario.Scenario, cells []Cell) []scenario.Injection {
	var list []scenario.Injection
	for i, c := range cells {
		if of := p.Cells[i].Scenario; of.Workload.Name != s.Workload.Name || of.Name != s.Name {
			continue
		}
		for _, f := range c.Faults {
			since := func(at float64) time.Duration {
				return max(0, time.Duration((at-c.Load.Warmup)*1e9).Round(time.Millisecond))
			}
			x := scenario.Injection{Cell: p.Cells[i].Name(), Number: f.Number, Fault: f.Fault, Node: f.Node, At: since(f.At)}
			if f.Healed > 0 {
				x.Healed = since(f.Healed)
			}
			list = append(list, x)
		}
	}
	return slices.Clip(list)
}
