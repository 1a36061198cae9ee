package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
	"taskbench/worker/beat"
	"taskbench/worker/message"
)

// beatQueue is where ticks go. No worker consumes it, and no drain waits for it.
const beatQueue = "taskbench.beat" // no workload can name it so

// noBeat says why the schedule that a cell asks for cannot be sent or judged, or "".
func noBeat(c CellPlan) string {
	switch b := c.Scenario.System.Beat; {
	case b.Every == 0:
	case c.System.Beat == nil:
		return fmt.Sprintf("beat: system %s has none", c.System.Name)
	case !c.Variant.Promised(brokers.RedeliverFlag):
		return "beat: the broker does not say when it hands a message out again, so that nobody can tell that from a tick that was sent twice"
	case b.Beats > 1:
		return native.Agree(c.Driver)
	}
	return ""
}

// startBeats starts the beats and what receives their ticks. The first has the given place in the history's nodes.
func (s *stage) startBeats(ctx context.Context, place int) error {
	b := s.cell.Scenario.System.Beat
	if b.Every == 0 {
		return nil
	}
	start := time.Now().Truncate(b.Every)
	s.ticks = s.receiveTicks(start)
	for i := range b.Beats {
		name := fmt.Sprintf("beat-%d", i+1)
		w, err := s.cell.System.Beat(ctx, systems.BeatSpec{Start: start, Spec: systems.Spec{
			Name: name, Index: uint16(place + i), Driver: s.cell.Driver, Variant: s.cell.Variant, URL: s.url, Queues: []string{beatQueue},
			System: s.cell.Scenario.System, Run: s.run, Evidence: s.evidence, LogPath: s.log(name),
			Died: func(how string) { s.died(name, how) },
		}})
		if err != nil {
			return err
		}
		s.beats = append(s.beats, w)
	}
	// What was due before a beat has read the schedule for the first time it does not owe.
	patience := b.Every + leaving
	switch began := s.ticks.wait(ctx, patience, s.ticks.underWay); {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the first ticks of the beats: %w", context.Cause(ctx))
	case !began:
		return fmt.Errorf("start the beats: not every entry of their schedule had a tick that came within %v; %s may say why", patience, s.log("beat-1"))
	}
	return nil
}

// ticks are those that came: the harness takes them from their queue itself, past the fault proxy.
type ticks struct {
	stage *stage
	start time.Time // a tick of every entry
	stop  context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex
	begin time.Time               // of the load
	came  map[tickKey][]time.Time // each is one message
}

// A tickKey is one tick of an entry.
type tickKey struct {
	entry string
	at    int64 // microseconds since 1970, as messages have it
}

func (s *stage) receiveTicks(start time.Time) *ticks {
	ctx, stop := context.WithCancel(context.Background())
	t := &ticks{stage: s, start: start.Round(0), stop: stop, done: make(chan struct{}), came: map[tickKey][]time.Time{}}
	go func() {
		defer close(t.done)
		for ctx.Err() == nil {
			t.receive(ctx)
			waitUntil(ctx, time.Now().Add(100*time.Millisecond)) // the broker may be away
		}
	}()
	return t
}

// receive takes ticks over one connection, until it is lost.
func (t *ticks) receive(ctx context.Context) {
	opening, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	b, err := t.stage.cell.Driver.Open(opening, t.stage.node.Info().URL, t.stage.cell.Variant)
	if err != nil {
		return
	}
	defer b.Close()
	c, err := b.Consume(ctx, []string{beatQueue}, 100)
	if err != nil {
		return
	}
	for d := range c.Deliveries() {
		t.note(d.Message(), d.Redelivered(), time.Now())
		_ = d.Ack(ctx) // it is known if it comes again
	}
}

// note keeps that a message came. One that was handed out before is the same message, unless nobody has seen it.
func (t *ticks) note(m brokers.Message, again bool, now time.Time) {
	entry, _ := m.Headers[beat.NameHeader].(string)
	text, _ := m.Headers[beat.ScheduledHeader].(string)
	at, err := message.ParseTime(text, time.UTC)
	if err != nil {
		return // no tick
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := tickKey{entry, at.UnixMicro()}
	if !again || len(t.came[key]) == 0 {
		t.came[key] = append(t.came[key], now)
	}
}

// origin says when the load begins.
func (t *ticks) origin(begin time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin = begin
}

// until are the ticks that were due from the begin of the load until a time after it, in nanoseconds.
func (t *ticks) until(end int64) []ledger.Tick {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.stage.cell.Scenario.System.Beat
	var list []ledger.Tick
	for at := t.start; ; at = at.Add(b.Every) {
		due := int64(at.Sub(t.begin))
		if due > end {
			return list
		}
		if due <= 0 {
			continue // 0 is never
		}
		for i := range b.Entries {
			tick := ledger.Tick{Entry: systems.EntryName(i), Due: due}
			for _, came := range t.came[tickKey{tick.Entry, at.UnixMicro()}] {
				tick.Sent = append(tick.Sent, int64(came.Sub(t.begin)))
			}
			list = append(list, tick)
		}
	}
}

// underWay tells whether every entry has had a tick.
func (t *ticks) underWay() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries := map[string]bool{}
	for key := range t.came {
		entries[key.entry] = true
	}
	return len(entries) >= t.stage.cell.Scenario.System.Beat.Entries
}

// tardy is for how long after the load a tick may come that was due in it.
const tardy = 10 * time.Second

// await waits until every tick that was due until the load's end has come, or is not expected any more.
func (t *ticks) await(ctx context.Context, loadEnd int64) {
	t.wait(ctx, tardy, func() bool {
		return !slices.ContainsFunc(t.until(loadEnd), func(tick ledger.Tick) bool { return len(tick.Sent) == 0 })
	})
}

// wait waits until something is so; false when it was not for so long, or ctx ended first.
func (t *ticks) wait(ctx context.Context, patience time.Duration, so func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !so() {
		if !waitUntil(ctx, time.Now().Add(20*time.Millisecond)) {
			return false
		}
	}
	return true
}

func (t *ticks) close() {
	t.stop()
	<-t.done
}
