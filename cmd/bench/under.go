package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/harness/scenario"
	"taskbench/scenarios"
)

// A breakage is one way to break something in the midst of a comparison. It is named after the scenario that asks about it
// by itself.
type breakage struct {
	name, fault, node string
	when              string // more that must be so, besides the promise, for nothing to be lost
}

// breakages are what `bench compare --under` takes.
var breakages = []breakage{
	{"broker-kill", "kill", "broker", ` && variant.durability != "memory"`},
	{"broker-pause", "pause", "broker", ""},
	{"partition", "disconnect", "broker", ""},
	{"worker-kill", "kill", "worker", ""},
}

func breakageNames() []string {
	var names []string
	for _, b := range breakages {
		names = append(names, b.name)
	}
	return names
}

// chooseBreakages finds them by name; "all" by itself is all of them.
func chooseBreakages(names []string) (chosen []breakage, err error) {
	if slices.Equal(names, []string{"all"}) {
		return breakages, nil
	}
	var wrong []error
	for _, name := range names {
		if i := slices.IndexFunc(breakages, func(b breakage) bool { return b.name == name }); i >= 0 {
			chosen = append(chosen, breakages[i])
		} else {
			wrong = append(wrong, unknown("scenario to compare under", name, append(breakageNames(), "all")))
		}
	}
	return chosen, errors.Join(wrong...)
}

// scenario is that of a comparison, with something broken from three tenths of its duration on, for two tenths.
func (b breakage) scenario(s scenario.Scenario) (scenario.Scenario, error) {
	tenths := func(n time.Duration) string {
		return scenario.FormatDuration((s.Load.For * n / 10).Truncate(time.Millisecond))
	}
	text := fmt.Sprintf(`
name: %s
asks: What do these brokers and pools lose, repeat or stall when this is done to each?
workload: {tasks: [{task: noop}]}
load: {shape: constant, rate: 1/s, for: %s}
faults:
  - {at: %s, fault: %s, node: %s, for: %s}
expect:
  - unexpected == 0
  - when: promised == "at-least-once"%s
    then:
      - lost == 0
      - orphaned == 0
      - stuck == 0
drain: 90s
`, b.name, scenario.FormatDuration(s.Load.For), tenths(3), b.fault, b.node, tenths(2), b.when)
	mould, err := scenario.Parse("comparison under "+b.name, []byte(text), scenarios.Known(), scenario.Full)
	if err != nil {
		return scenario.Scenario{}, err
	}
	mould.Workload, mould.Load, mould.System = s.Workload, s.Load, s.System
	return mould, nil
}
