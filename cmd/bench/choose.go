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

// every is the word for all brokers, or all variants of one.
const every = "all"

// named are the brokers that were asked for; none where the machine is to decide.
func (w where) named() []string {
	var names []string
	for _, asked := range w.brokers {
		names = append(names, meant(asked)...)
	}
	return names
}

// meant are the brokers that somebody means who asks for one: "all" is each broker, with its default variant, "redis:all" each
// variant of one, and "all:all" both. A name that is not known is itself, for the plan to say so.
func meant(asked string) (names []string) {
	broker, variant, chosen := strings.Cut(asked, ":")
	if broker != every && variant != every || chosen && variant != every {
		return []string{asked}
	}
	for _, d := range all.Drivers() {
		switch {
		case broker != every && broker != d.Name:
		case !chosen:
			names = append(names, d.Name)
		default:
			for _, v := range d.Variants {
				names = append(names, d.Name+":"+v.Name)
			}
		}
	}
	if names == nil {
		return []string{asked}
	}
	return names
}

// chooseBrokers returns the brokers that were asked for. Of several that one word stands for, and where none was asked for,
// those are left out that there is no place for, unless that would leave none: then the plan says what the machine lacks for
// them.
func (a *app) chooseBrokers(ctx context.Context, w where) (chosen []string) {
	asked := w.brokers
	if len(asked) == 0 {
		asked = []string{every}
	}
	var lacking []string
	for _, one := range asked {
		names := meant(one)
		if names[0] == one {
			chosen = append(chosen, one)
			continue
		}
		var there, not []string
		for _, name := range names {
			if w.holds(ctx, name) {
				there = append(there, name)
			} else {
				not = append(not, name)
			}
		}
		if len(there) == 0 {
			chosen = append(chosen, names...)
			continue
		}
		chosen, lacking = append(chosen, there...), append(lacking, not...)
	}
	if len(lacking) > 0 && !w.quiet {
		_, _ = fmt.Fprintf(a.stderr, "  left out, since lab %s has no place for them here (`bench doctor` says why): %s\n", w.lab, strings.Join(brief(lacking), ", "))
	}
	return chosen
}

// brief names a broker alone where all its variants are named.
func brief(names []string) (short []string) {
	for _, name := range names {
		broker, _, _ := strings.Cut(name, ":")
		missing := func(variant string) bool { return !slices.Contains(names, variant) }
		if !slices.ContainsFunc(meant(broker+":"+every), missing) {
			name = broker
		}
		if !slices.Contains(short, name) {
			short = append(short, name)
		}
	}
	return short
}

// holds tells whether the lab has a place for the broker. What Go would have to make first counts where all were asked for.
func (w where) holds(ctx context.Context, name string) bool {
	d, v, err := all.Find(name)
	if err != nil || w.urls[d.Name] != "" { // a bad URL was asked for: the plan says why it cannot be used
		return true
	}
	_, _, err = labs.Pick(ctx, w.lab, d, v, labs.Options{Images: w.images, Make: len(w.brokers) > 0})
	return err == nil
}
