package planted

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/harness/systems"
	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
	"taskbench/worker/message"
)

// tick makes a bug of one that strikes ticks: of those that are due in the first second of the load, so that all of them
// are judged.
func tick(bug func(context.Context, brokers.Message, func(context.Context, brokers.Message) error) error) func(context.Context, *plant, brokers.Message, func(context.Context, brokers.Message) error) error {
	return func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
		text, is := m.Headers[beat.ScheduledHeader].(string)
		p.mu.Lock()
		if !is && p.loaded.IsZero() {
			p.loaded = time.Now()
		}
		from := p.loaded
		p.mu.Unlock()
		at, err := message.ParseTime(text, time.UTC)
		if !is || err != nil || from.IsZero() || at.Before(from) || at.After(from.Add(time.Second)) || !p.strikes(m.CorrelationID) {
			return next(ctx, m)
		}
		return bug(ctx, m, next)
	}
}

// A timer is a beat that runs in this process. It keeps its entries in memory.
type timer struct {
	spec    systems.BeatSpec
	entries []beat.Entry

	mu   sync.Mutex
	stop context.CancelFunc
	done chan error // told once how the beat ended
}

func startBeat(ctx context.Context, s systems.BeatSpec) (systems.Worker, error) {
	t := &timer{spec: s}
	every := schedule.Every(s.System.Beat.Every)
	every.Align = schedule.Aligned
	for i := range s.System.Beat.Entries {
		t.entries = append(t.entries, beat.Entry{
			Name: systems.EntryName(i), Task: "bench.noop", Schedule: every, Start: s.Start,
			Options: beat.Options{Queue: s.Queues[0]}, CatchUp: beat.CatchUp{Policy: schedule.CatchUp(s.System.Beat.CatchUp)},
		})
	}
	return t, t.Start(ctx)
}

// Load implements beat.Store.
func (t *timer) Load(context.Context) ([]beat.Entry, bool, error) { return t.entries, false, nil }

// Recall implements beat.Store.
func (t *timer) Recall(context.Context) ([]beat.Mark, error) { return nil, nil }

// Write implements beat.Store.
func (t *timer) Write(context.Context, []beat.Mark) error { return nil }

func (t *timer) Name() string { return t.spec.Name }

func (t *timer) Start(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := beat.New(beat.Config{
		Open: func(ctx context.Context) (brokers.Broker, error) {
			return t.spec.Driver.Open(ctx, t.spec.URL, t.spec.Variant)
		},
		Store: t,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", t.spec.Name, err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop, t.done = stop, make(chan error, 1)
	go func() { t.done <- r.Run(run) }()
	return nil
}

// PIDs is this process, as long as the beat runs.
func (t *timer) PIDs() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop == nil {
		return nil
	}
	return []int{os.Getpid()}
}

func (t *timer) Kill(context.Context, ...int) error {
	return errors.New("a beat inside this process cannot be killed")
}

func (t *timer) Stop(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop == nil {
		return nil
	}
	t.stop()
	t.stop = nil
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s did not leave in time: %w", t.spec.Name, ctx.Err())
	}
}
