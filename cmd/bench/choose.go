package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers/all"
	"taskbench/harness/lab/labs"
)

// hello is the first that is seen of a run without mistakes: what follows may ask a container engine that is slow to
// answer.
func (a *app) hello(w where, what string) {
	if !w.quiet {
		_, _ = fmt.Fprintf(a.stderr, "%s: looking at what this machine offers\n", what)
	}
}

// named are the brokers that were asked for, "all" replaced by their names; none where the machine is to decide.
func (w where) named() []string {
	if slices.Equal(w.brokers, []string{"all"}) {
		return driverNames()
	}
	return w.brokers
}

// chooseBrokers returns the brokers that were asked for, or else all that this machine offers.
func (a *app) chooseBrokers(ctx context.Context, w where) []string {
	if names := w.named(); len(names) > 0 {
		return names
	}
	var there, lacking []string
	for _, d := range all.Drivers() {
		_, _, err := labs.Pick(ctx, w.lab, d, labs.Options{Images: w.images, URLs: w.urls})
		if err == nil || w.urls[d.Name] != "" { // a bad URL was asked for: the plan says why it cannot be used
			there = append(there, d.Name)
		} else {
			lacking = append(lacking, d.Name)
		}
	}
	if len(there) == 0 {
		return driverNames() // the plan says what the machine lacks for them
	}
	if len(lacking) > 0 && !w.quiet {
		_, _ = fmt.Fprintf(a.stderr, "  left out, since lab %s has no place for them here (`bench doctor` says why): %s\n", w.lab, strings.Join(lacking, ", "))
	}
	return there
}
