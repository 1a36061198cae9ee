package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
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
	tenths := func(n time.Duration) time.Duration { return (s.Load.For * n / 10).Truncate(time.Millisecond) }
	s.Name = b.name
	s.Asks = "What do these brokers and pools lose, repeat or stall when this is done to each?"
	s.Faults = []scenario.Fault{{At: tenths(3), Fault: b.fault, Node: b.node, For: tenths(2)}}
	s.Expect = []scenario.Expect{{Expr: "unexpected == 0"}}
	for _, expr := range []string{"lost == 0", "orphaned == 0", "stuck == 0"} {
		s.Expect = append(s.Expect, scenario.Expect{When: fmt.Sprintf("promised == %q", brokers.AtLeastOnce) + b.when, Expr: expr})
	}
	s.Drain = 90 * time.Second
	err := scenario.Override(&s, scenarios.Known()) // no changes: judges the whole
	return s, err
}
