package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab/proc"
	"taskbench/worker/beat"
	"taskbench/worker/interop"
	"taskbench/worker/message"
)

// ticks is the queue of the beat under measurement.
const ticks = "ticks"

// beatLoad measures the processor time of a beat with many entries, and how late its ticks come.
func beatLoad(ctx context.Context, _ settings) ([]line, error) {
	const entries, span, share, late = 10_000, time.Minute, 2.0, 10 * time.Millisecond // each minute a sixtieth of the entries is due
	const reading = 10 * time.Second                                                   // for the schedule to be read
	return at(ctx, "redis:memory", func(s site) ([]line, error) {
		broker, err := s.driver.Open(ctx, s.url, s.variant)
		if err != nil {
			return nil, err
		}
		defer broker.Close()
		taking, stop := context.WithCancel(ctx)
		defer stop()
		c, err := broker.Consume(taking, []string{ticks}, 10*entries)
		if err != nil {
			return nil, err
		}
		from := time.Now().Add(reading)
		if from.Second() == 59 { // the ticks of the full minute that the span would end with would be on their way still
			from = from.Add(2 * time.Second)
		}
		came := make(chan taken, 1)
		go func() { came <- take(ctx, c, from) }()
		b, err := s.beat(entries)
		if err != nil {
			return nil, err
		}
		defer b.Stop(10 * time.Second)
		if err := pause(ctx, time.Until(from)); err != nil {
			return nil, err
		}
		before, err := proc.Read(b.PID)
		if err != nil {
			return nil, fmt.Errorf("%w: %.2000s", err, b.Log())
		}
		if err := pause(ctx, span); err != nil {
			return nil, err
		}
		after, err := proc.Read(b.PID)
		if err != nil {
			return nil, fmt.Errorf("%w: %.2000s", err, b.Log())
		}
		stop()
		t := <-came
		if t.err != nil {
			return nil, fmt.Errorf("take ticks: %w", t.err)
		}
		if len(t.drifts) < entries/60 {
			return nil, fmt.Errorf("only %d ticks came: %.2000s", len(t.drifts), b.Log())
		}
		used := 100 * (after.CPUSeconds - before.CPUSeconds) / span.Seconds()
		p99 := quantile(t.drifts, 0.99)
		return []line{
			{fmt.Sprintf("beat with %d entries, %d ticks", entries, len(t.drifts)), fmt.Sprintf("%.2f %% of a core", used), "below 2 %", used < share},
			{"drift p50", quantile(t.drifts, 0.5).Round(time.Microsecond).String(), "", true},
			{"drift p99", p99.Round(time.Microsecond).String(), "below 10ms", p99 < late},
		}, nil
	})
}

// beat starts `bench beat` with so many entries.
func (s site) beat(entries int) (*interop.Process, error) {
	var schedule strings.Builder
	schedule.WriteString("entries:\n")
	for i := range entries {
		fmt.Fprintf(&schedule, "  entry-%d: {task: noop, queue: %s, schedule: %d * * * *}\n", i, ticks, i%60)
	}
	path := filepath.Join(s.dir, "schedule.yaml")
	if err := os.WriteFile(path, []byte(schedule.String()), 0o644); err != nil {
		return nil, err
	}
	args := []string{s.bench, "beat", "--broker", s.name(), "--url", s.url, "--schedule", path}
	return interop.Start(args, os.Environ(), s.dir, filepath.Join(s.dir, "beat.log"))
}

// taken is how late each tick came, by the time that it carries.
type taken struct {
	drifts []time.Duration
	err    error
}

// take notes how late each tick comes that is due from then on, until the consumer ends, and settles them all after that:
// whoever settles comes late to the next.
func take(ctx context.Context, c brokers.Consumer, from time.Time) (t taken) {
	var all []brokers.Delivery
	for d := range c.Deliveries() {
		now := time.Now()
		due, err := dueOf(d.Message())
		if err != nil {
			return taken{err: err}
		}
		if all = append(all, d); !due.Before(from) {
			t.drifts = append(t.drifts, now.Sub(due))
		}
	}
	t.err = c.Err()
	for _, d := range all {
		t.err = errors.Join(t.err, d.Ack(ctx))
	}
	return t
}

// dueOf is the time that a tick was scheduled for, by its own word.
func dueOf(m brokers.Message) (time.Time, error) {
	text, _ := m.Headers[beat.ScheduledHeader].(string)
	due, err := message.ParseTime(text, time.UTC)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when a tick was due: %w", err)
	}
	return due, nil
}
