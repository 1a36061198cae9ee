package planted

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
	"taskbench/harness/scenario"
	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// A Mutant is the memory broker with one kind of bug, and a workload in which it shows. The bug strikes one task in
// so many, each once at most, and counts.
type Mutant struct {
	Name  string
	Doc   string   // what the broker does
	Check string   // that must find it, as often as it struck
	Also  []string // checks that may find what follows from it; all others that blame must find nothing

	OneIn    int
	Tasks    []scenario.TaskMix // none is one that does nothing for a millisecond
	Rate     float64            // 0 is 150 a second
	For      time.Duration      // 0 is a second and a half
	Beat     scenario.Beat      // a schedule, beside the load
	Chord    int                // tasks in the header of a chord; 0 is no chords
	OneByOne bool               // one publisher, and one worker with one message at a time
	Faults   []scenario.Fault   // which bring the bug out
	Settings map[string]string
	Stall    time.Duration // hand nothing out for so long,
	StallAt  int           // once so many tasks were handed out,
	CutAt    int           // or after the link was cut, once so many were
	Forgets  int           // after that, forget so many

	publish func(context.Context, *plant, brokers.Message, func(context.Context, brokers.Message) error) error
	deliver func(context.Context, *plant, *delivery)
	settled func(context.Context, *plant, *delivery)
	counted func(*plant, result.Part) bool // whether the part of a chord is counted
}

// Healthy is no mutant: a workload of everything that tasks may be asked for.
var Healthy = Mutant{
	Name: "healthy", Doc: "has no bug", OneIn: 1, For: time.Second,
	Tasks: []scenario.TaskMix{
		{Task: "io", Weight: 5, Via: "sleep", Duration: scenario.Dist{Kind: "exponential", Mean: 3 * time.Millisecond}, Keys: 4},
		{Task: "fail", Weight: 2, Fails: 1},
		{Task: "noop", Weight: 2, ETA: 150 * time.Millisecond, Expires: time.Minute},
		{Task: "noop", Weight: 1, ETA: 150 * time.Millisecond, Expires: 50 * time.Millisecond},
		{Task: "io", Weight: 1, Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: time.Minute}, Limit: 200 * time.Millisecond},
		{Task: "io", Weight: 1, Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: time.Minute}, Soft: 100 * time.Millisecond},
	},
}

// twins are the checks that find it too when two copies of a message are there at a time.
var twins = []string{"duplicated", "concurrent", "redelivered-early", "redelivered-after-ack"}

// Mutants are the bugs that are planted under the real worker.
var Mutants = []Mutant{
	{
		Name: "drop", Doc: "confirms messages and forgets them", Check: "lost", Also: []string{"phantom-confirm"}, OneIn: 10,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			if p.strikes(m.CorrelationID) {
				return nil
			}
			return next(ctx, m)
		},
	},
	{
		Name: "repeat", Doc: "stores messages twice", Check: "duplicated", Also: twins, OneIn: 10,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			if p.strikes(m.CorrelationID) {
				return errors.Join(next(ctx, m), next(ctx, m))
			}
			return next(ctx, m)
		},
	},
	{
		Name: "reorder", Doc: "hands messages out after five later ones", Check: "order", OneIn: 20, OneByOne: true, For: 2 * time.Second,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			return p.detain(ctx, m, next)
		},
		settled: func(ctx context.Context, p *plant, d *delivery) { p.release(ctx, d) },
	},
	{
		Name: "swallow-confirm", Doc: "stores messages and does not confirm them", Check: "recovered", OneIn: 10,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			err := next(ctx, m)
			if err == nil && p.strikes(m.CorrelationID) {
				return errors.New("no confirmation came")
			}
			return err
		},
	},
	{
		Name: "deny", Doc: "refuses publishes that it stores", Check: "refused", OneIn: 10,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			err := next(ctx, m)
			if err == nil && p.strikes(m.CorrelationID) {
				return brokers.Refusef("the message was not taken")
			}
			return err
		},
	},
	{
		Name: "invent", Doc: "makes messages up", Check: "unexpected", OneIn: 10,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			err := next(ctx, m)
			if id := m.CorrelationID; err == nil && p.strikes(id) {
				made := m
				made.CorrelationID = id[:24] + fmt.Sprintf("7%011s", id[25:]) // far beyond the numbers of the run
				d := &delivery{message: made}
				d.rewrite(func(h map[string]any) { h["id"], h["root_id"] = made.CorrelationID, made.CorrelationID })
				return next(ctx, d.message)
			}
			return err
		},
	},
	{
		Name: "redeliver-acked", Doc: "hands out acknowledged messages again", Check: "redelivered-after-ack", Also: twins, OneIn: 10,
		settled: func(ctx context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.again(ctx, 300*time.Millisecond)
			}
		},
	},
	{
		Name: "redeliver-held", Doc: "hands out messages that a worker holds", Check: "redelivered-early", Also: twins, OneIn: 10, Rate: 40,
		Tasks: []scenario.TaskMix{{Task: "io", Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: 600 * time.Millisecond}}},
		deliver: func(ctx context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.again(ctx, 50*time.Millisecond)
			}
		},
	},
	{
		Name: "lease-by-wall-clock", Doc: "has clients that give back by the time of day what they held for a minute", Check: "duplicated", Also: twins, OneIn: 1, Rate: 40,
		Tasks:  []scenario.TaskMix{{Task: "io", Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: 400 * time.Millisecond}}},
		Faults: []scenario.Fault{{Number: 1, At: 700 * time.Millisecond, Fault: "clock-jump", Node: "worker", For: 300 * time.Millisecond, Params: map[string]string{"by": "1h"}}},
		deliver: func(ctx context.Context, p *plant, d *delivery) {
			d.lapse(ctx, time.Minute, func() bool { return p.strikes(d.message.CorrelationID) })
		},
	},
	{
		Name: "stall", Doc: "hands nothing out for 4 s", Check: "stall", Stall: 4 * time.Second, StallAt: 60,
		Settings: map[string]string{"stall_after": "1500ms"},
	},
	{
		Name: "stall-after-reconnect", Doc: "hands nothing out for 4 s after a link was cut", Check: "stall", Also: append(twins, "overwritten"),
		Stall: 4 * time.Second, CutAt: 60, Settings: map[string]string{"stall_after": "1500ms"},
	},
	{
		Name: "starve", Doc: "keeps the messages of one queue from its consumers for 4 s", Check: "starved", Stall: 4 * time.Second,
		Tasks: []scenario.TaskMix{brief, {Task: "io", Duration: brief.Duration, Queue: starved}}, For: 6 * time.Second,
		Settings: map[string]string{"stall_after": "1500ms"},
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			left := p.starves(m)
			if left <= 0 {
				return next(ctx, m)
			}
			ctx = context.WithoutCancel(ctx)
			time.AfterFunc(left, func() { _ = next(ctx, m) }) // what fails is found to be lost
			return nil
		},
	},
	{
		Name: "lose-on-reconnect", Doc: "forgets messages when a link is cut", Check: "lost", Also: append(twins, "phantom-confirm"), CutAt: 60, Forgets: 7,
	},
	{
		Name: "corrupt", Doc: "garbles the names of tasks", Check: "malformed", OneIn: 10,
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { h["task"] = "bench.garbled" })
			}
		},
	},
	{
		Name: "eta-early", Doc: "forgets that a task is to wait", Check: "eta-early", OneIn: 10,
		Tasks: []scenario.TaskMix{{Task: "noop", ETA: 400 * time.Millisecond}},
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { delete(h, "eta") })
			}
		},
	},
	{
		Name: "run-expired", Doc: "forgets that a task expires", Check: "expired", OneIn: 10,
		Tasks: []scenario.TaskMix{{Task: "noop", ETA: 400 * time.Millisecond, Expires: 200 * time.Millisecond}},
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { delete(h, "expires") })
			}
		},
	},
	{
		Name: "no-time-limit", Doc: "forgets the limits of tasks", Check: "time-limit", OneIn: 6, Rate: 15,
		Tasks: []scenario.TaskMix{{Task: "io", Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: 3 * time.Second}, Limit: 300 * time.Millisecond}},
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { delete(h, "timelimit") })
			}
		},
	},
	{
		Name: "no-soft-limit", Doc: "forgets the soft limits of tasks", Check: "soft-limit", OneIn: 6, Rate: 15,
		Tasks: []scenario.TaskMix{{Task: "io", Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: 3 * time.Second}, Soft: 300 * time.Millisecond}},
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { delete(h, "timelimit") })
			}
		},
	},
	{
		Name: "soft-limit-too-soon", Doc: "says of tasks that their soft limit is a tenth of what it is", Check: "soft-limit", OneIn: 6, Rate: 15,
		Tasks: []scenario.TaskMix{{Task: "io", Via: "sleep", Duration: scenario.Dist{Kind: "constant", P50: 3 * time.Second}, Soft: 500 * time.Millisecond}},
		deliver: func(_ context.Context, p *plant, d *delivery) {
			if p.strikes(d.message.CorrelationID) {
				d.rewrite(func(h map[string]any) { h["timelimit"] = []any{nil, 0.05} })
			}
		},
	},
	{
		Name: "retry-too-often", Doc: "forgets that a task was retried", Check: "retry-count", OneIn: 10, Tasks: []scenario.TaskMix{{Task: "fail", Fails: 1}},
		deliver: retries(1, 0),
	},
	{
		Name: "retry-too-seldom", Doc: "says that a task was retried that was not", Check: "retry-count", OneIn: 10, Tasks: []scenario.TaskMix{{Task: "fail", Fails: 1}},
		deliver: retries(0, 1),
	},
	{
		Name: "chord-forget", Doc: "forgets that a task of a chord has ended", Check: "chord-missing", OneIn: 20, Chord: 4,
		counted: func(p *plant, part result.Part) bool { return !p.strikes(part.Group) },
	},
	{
		Name: "chord-twice", Doc: "stores the bodies of chords twice, without the mark by which workers know them again", Check: "chord-body", Also: append(twins, "overwritten"), OneIn: 4, Chord: 4,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			if m.Headers[canvas.HeaderOnce] != true || !p.strikes(m.CorrelationID) {
				return next(ctx, m)
			}
			unmarked := &delivery{message: m}
			unmarked.rewrite(func(h map[string]any) { delete(h, canvas.HeaderOnce) })
			return errors.Join(next(ctx, unmarked.message), next(ctx, unmarked.message))
		},
	},
	{
		Name: "tick-twice", Doc: "stores the ticks of a schedule twice", Check: "tick-repeated", OneIn: 4, Beat: scenario.Beat{Every: 100 * time.Millisecond, Entries: 3, Beats: 1, CatchUp: "all", Late: 5 * time.Second},
		publish: tick(func(ctx context.Context, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			return errors.Join(next(ctx, m), next(ctx, m))
		}),
	},
	{
		Name: "tick-drop", Doc: "confirms the ticks of a schedule and forgets them", Check: "tick-missed", OneIn: 4, Beat: scenario.Beat{Every: 100 * time.Millisecond, Entries: 3, Beats: 1, CatchUp: "all", Late: 5 * time.Second},
		publish: tick(func(context.Context, brokers.Message, func(context.Context, brokers.Message) error) error { return nil }),
	},
	{
		Name: "chord-drop", Doc: "confirms the bodies of chords and forgets them", Check: "chord-missing", OneIn: 4, Chord: 4,
		publish: func(ctx context.Context, p *plant, m brokers.Message, next func(context.Context, brokers.Message) error) error {
			if m.Headers[canvas.HeaderOnce] == true && p.strikes(m.CorrelationID) {
				return nil
			}
			return next(ctx, m)
		},
	},
}

// retries makes another number of the retries that a message tells of.
func retries(from, to int) func(context.Context, *plant, *delivery) {
	return func(_ context.Context, p *plant, d *delivery) {
		if fmt.Sprint(d.message.Headers["retries"]) == fmt.Sprint(from) && p.strikes(d.message.CorrelationID) {
			d.rewrite(func(h map[string]any) { h["retries"] = to })
		}
	}
}

// detain keeps a message back, one at a time.
func (p *plant) detain(ctx context.Context, m brokers.Message, next func(context.Context, brokers.Message) error) error {
	p.mu.Lock()
	p.published++
	early := p.published < 200 && p.held == nil // later ones might not be followed by five
	if p.held != nil {
		p.held.later[m.CorrelationID] = true
	}
	p.mu.Unlock()
	if !early || !p.strikes(m.CorrelationID) {
		return next(ctx, m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = &held{message: m, later: map[string]bool{}}
	return nil
}

// release lets a kept message go once five that were published since are settled.
func (p *plant) release(ctx context.Context, d *delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil || !p.held.later[d.message.CorrelationID] {
		return
	}
	if p.held.settled++; p.held.settled == 5 {
		_ = d.broker.countable.Publish(context.WithoutCancel(ctx), p.held.message) // the engine takes everything while it lives
		p.held = nil
	}
}
