package main

import (
	"context"
	"fmt"
	"slices"

	"taskbench/brokers/all"
	"taskbench/harness/lab/labs"
)

// preferred are the brokers of a run that names none: those that Celery's users run.
var preferred = []string{"rabbitmq", "redis"}

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

// chooseBrokers returns the brokers that were asked for, or else those that this machine offers.
func (a *app) chooseBrokers(ctx context.Context, w where) []string {
	if names := w.named(); len(names) > 0 {
		return names
	}
	var servers, embedded []string
	var lacking []error
	for _, d := range all.Drivers() {
		l, _, err := labs.Pick(ctx, w.lab, d, labs.Options{Images: w.images, URLs: w.urls})
		switch {
		case w.urls[d.Name] != "": // asked for, as it is: the plan says why it cannot be used
			servers = append(servers, d.Name)
		case err != nil:
			if slices.Contains(preferred, d.Name) {
				lacking = append(lacking, err)
			}
		case l.Name() == labs.Embedded:
			embedded = append(embedded, d.Name)
		case slices.Contains(preferred, d.Name):
			servers = append(servers, d.Name)
		}
	}
	if len(servers)+len(embedded) == 0 {
		return preferred // the plan says what the machine lacks for them
	}
	for _, err := range lacking {
		if !w.quiet {
			_, _ = fmt.Fprintf(a.stderr, "  left out: %v\n", err)
		}
	}
	if len(servers) > 0 {
		return servers
	}
	return embedded
}
