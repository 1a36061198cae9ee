package main

import (
	"context"
	"fmt"
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

// every is the word for all brokers, or all variants of one.
const every = "all"

// named are the brokers that were asked for; none where the machine is to decide. Of "all", "redis:all" and "all:all" the
// first is each broker, with its default variant, the second each variant of one, and the third both. A name that is not known
// stays, for the plan to say so.
func (w where) named() []string {
	var names []string
	for _, asked := range w.brokers {
		broker, variant, chosen := strings.Cut(asked, ":")
		if broker != every && variant != every || chosen && variant != every {
			names = append(names, asked)
			continue
		}
		known := false
		for _, d := range all.Drivers() {
			if broker != every && broker != d.Name {
				continue
			}
			known = true
			if !chosen {
				names = append(names, d.Name)
				continue
			}
			for _, v := range d.Variants {
				names = append(names, d.Name+":"+v.Name)
			}
		}
		if !known {
			names = append(names, asked)
		}
	}
	return names
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
