package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
)

// A pace is the modest load at which the queue wait is measured on a broker, and what the wait should stay below.
type pace struct {
	broker  string
	rate    int // tasks a second
	goal    time.Duration
	standIn time.Duration // the goal where a smaller server runs in the place of the broker's own; 0: the same
}

// What is reached within goals of 10 ms is told by its server that a message is there; the others ask for it.
var paces = []pace{
	{broker: "redis:memory", rate: 200, goal: 3 * time.Millisecond},
	{broker: "rabbitmq:classic", rate: 200, goal: 3 * time.Millisecond},
	{broker: "redis:stream", rate: 100, goal: 10 * time.Millisecond},
	{broker: "nats:file", rate: 100, goal: 10 * time.Millisecond},
	{broker: "beanstalkd:binlog", rate: 100, goal: 10 * time.Millisecond},
	{broker: "postgres:lease", rate: 100, goal: 10 * time.Millisecond},
	// CouchDB tells of changes at once; PouchDB Server, which serves one request at a time, when it comes to it.
	{broker: "couchdb:lease", rate: 100, goal: 10 * time.Millisecond, standIn: 60 * time.Millisecond},
	{broker: "mysql:lease", rate: 100, goal: 60 * time.Millisecond},
	{broker: "sqlite:wal", rate: 100, goal: 60 * time.Millisecond},
	{broker: "mongodb:lease", rate: 100, goal: 60 * time.Millisecond},
}

// below is the goal on that server.
func (p pace) below(server string) time.Duration {
	if p.standIn > 0 && strings.Contains(server, "PouchDB") {
		return p.standIn
	}
	return p.goal
}

// queueWait measures how long tasks wait between the broker's confirm and their start, at a modest load.
func queueWait(ctx context.Context, _ settings) ([]line, error) {
	var lines []line
	var errs []error
	for _, p := range paces {
		more, err := on(ctx, p.broker, func(s site) (lines []line, err error) {
			for _, pool := range pools(s.driver.Name) {
				more, err := s.waits(ctx, pool, p.rate, p.below(s.server))
				lines = append(lines, more...)
				if err != nil {
					return lines, fmt.Errorf("%s: %w", pool, err)
				}
			}
			return lines, nil
		})
		lines = append(lines, more...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.broker, err))
		}
	}
	return lines, errors.Join(errs...)
}

// waits paces so many tasks a second for ten seconds into an idle worker process.
func (s site) waits(ctx context.Context, pool string, rate int, goal time.Duration) (_ []line, err error) {
	const span, places, prefetch = 10, 8, 32
	count := span * rate
	mix, err := noops()
	if err != nil {
		return nil, err
	}
	w, err := s.witnessed(ctx, pool, places, prefetch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.end(context.WithoutCancel(ctx))) }()
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var sends sync.WaitGroup
	errs := make([]error, count)
	for i := range count {
		sends.Go(func() {
			seq := uint64(i)
			now := ledger.Now()
			w.ledger.Due(seq, now)
			w.ledger.PublishStart(seq, now)
			errs[i] = b.Publish(ctx, mix.Message(seq, w.run.ID(seq), brokers.DefaultQueue))
			if errs[i] == nil {
				w.ledger.PublishEnd(seq, ledger.Now(), ledger.PublishOK)
			}
		})
		<-tick.C
	}
	sends.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if n, err := w.executed(ctx, count, 10*time.Second); err != nil {
		return nil, fmt.Errorf("%d of %d tasks were executed: %w", n, count, err)
	}
	if err := w.end(ctx); err != nil { // nothing may be recorded any more
		return nil, err
	}
	var all metrics.Set
	for t := range w.ledger.Freeze(ledger.Meta{Nodes: []string{"broker", "worker-1"}}).All() {
		all.Add(t)
	}
	of := all.Quantiles()
	text := func(seconds float64) string {
		return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond).String()
	}
	wait, whole := of["confirm_to_start"], of["send_to_finish"]
	name := fmt.Sprintf("%s on %s, %s: ", s.name(), s.server, pool)
	return []line{
		{fmt.Sprintf("%squeue wait p50 at %d/s", name, rate), text(wait.P50), "", true},
		{name + "queue wait p99", text(wait.P99), "below " + goal.String(), wait.P99 < goal.Seconds()},
		{name + "sending to finish p99", text(whole.P99), "", true},
	}, nil
}
