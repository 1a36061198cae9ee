package main

import (
	"fmt"
	"maps"
	"slices"

	"taskbench/harness/scenario"
	"taskbench/scenarios"
)

// mixed is the workload of a comparison that names none: mostly waiting, some computing.
const mixed = "mixed"

// workloads are what `bench compare --workload` takes: one for each task, at a size that a machine of two cores can
// carry at the default rate, and mixtures. For anything else there are scenario files.
var workloads = map[string]string{
	mixed:   `[{task: io, weight: 3, duration: {dist: lognormal, p50: 20ms, p99: 200ms}}, {task: cpu, weight: 1, duration: 5ms}]`,
	"noop":  `[{task: noop}]`,
	"io":    `[{task: io, duration: {dist: lognormal, p50: 20ms, p99: 200ms}}]`,
	"http":  `[{task: io, via: http, duration: {dist: lognormal, p50: 20ms, p99: 200ms}}]`,
	"cpu":   `[{task: cpu, duration: 4ms}]`,
	"leak":  `[{task: leak, keep: 16KiB}]`,
	"fail":  `[{task: io, weight: 9, duration: 10ms}, {task: fail, weight: 1, fails: 1}]`,
	"crash": `[{task: io, weight: 99, duration: 10ms}, {task: crash, weight: 1, until: 1}]`,
	"large": `[{task: noop, payload: 256KiB}]`,
	"bulky": `[{task: bulky, result: 256KiB}]`,
	// What misbehaves, among tasks that do not.
	"blocker":  `[{task: io, weight: 19, duration: 20ms}, {task: blocker, weight: 1, duration: 50ms}]`,
	"stubborn": `[{task: io, weight: 19, duration: 20ms}, {task: stubborn, weight: 1, duration: 50ms, soft: 20ms}]`,
	"poison":   `[{task: io, weight: 99, duration: 20ms}, {task: poison, weight: 1, flaw: body}]`,
}

func workloadNames() []string { return slices.Sorted(maps.Keys(workloads)) }

// workload is a scenario that runs the workload, and expects what every run without faults must give.
func workload(name string) (scenario.Scenario, error) {
	tasks, ok := workloads[name]
	if !ok {
		return scenario.Scenario{}, unknown("workload", name, workloadNames())
	}
	text := fmt.Sprintf(`
name: compare-%[1]s
asks: How do these brokers and pools compare under the workload %[1]s?
workload: {name: %[1]s, tasks: %[2]s}
load: {shape: constant, rate: 1/s, for: 1s}
expect: ["lost == 0", "unexpected == 0"]
`, name, tasks)
	return scenario.Parse("workload "+name, []byte(text), scenarios.Known(), scenario.Full)
}
