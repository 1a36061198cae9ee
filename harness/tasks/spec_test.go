package tasks

import (
	"fmt"
	"testing"

	"taskbench/harness/scenario"
)

// Every parameter of every task must be one that scenario files can hold, and that the task is then given.
func TestScenariosCanSayEveryParameter(t *testing.T) {
	values := map[string]string{
		"duration": "5ms", "work": "100", "via": "http", "keep": "4KiB", "fails": "2", "every": "3", "until": "1", "flaw": "body", "result": "10MiB",
	}
	for _, spec := range Specs() {
		for _, p := range spec.Params {
			mix := fmt.Sprintf("{task: %s, %s: %s", spec.Name, p.Name, values[p.Name])
			if spec.Name == "io" && p.Name != "duration" {
				mix += ", duration: 1ms"
			}
			text := "name: a\nasks: b?\nload: {rate: 1/s, for: 1s}\nworkload: {tasks: [" + mix + "}]}\n"
			k := scenario.Known{Tasks: Specs(), Pools: []string{"solo"}, Systems: []string{"native"}}
			s, err := scenario.Parse(spec.Name+".yaml", []byte(text), k, scenario.Full)
			if err != nil {
				t.Errorf("%s of task %s: %v", p.Name, spec.Name, err)
				continue
			}
			if _, err := NewMix(s.Workload, 1, env); err != nil {
				t.Errorf("%s of task %s: %v", p.Name, spec.Name, err)
			}
		}
	}
}
