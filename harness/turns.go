package harness

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/scenario"
)

// turns sees to it that a fault finds something to hurt. By the schedule faults on the broker do not overlap and there
// is a worker for each of theirs, but a healing takes its time: it would undo the next fault on the broker as well, and
// leave the next one no worker that is up. So what is due too early waits, first come, first served.
type turns struct {
	workers chan struct{} // holds one for each worker that is hurt
	beats   chan struct{} // holds one while a beat is hurt
	broker  chan struct{} // holds one while the broker is hurt; whoever put it there has what is below
	planned time.Duration // when the broker was last to be healed, since the measured load began
	healed  time.Time     // when it was
}

func newTurns(workers int) *turns {
	return &turns{workers: make(chan struct{}, max(1, workers)), beats: make(chan struct{}, 1), broker: make(chan struct{}, 1)}
}

// delayed says how many faults had to wait, or "".
func delayed(list []injection) string {
	n, longest := 0, time.Duration(0)
	for _, i := range list {
		if i.waited > time.Second {
			n++
			longest = max(longest, i.waited)
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d faults began later than planned, by up to %.1f s, since the healing before them took longer than planned", n, len(list), longest.Seconds())
}

// take waits for the turn of a fault, and returns what ends it; false when ctx ended first.
func (t *turns) take(ctx context.Context, f scenario.Fault) (release func(), ok bool) {
	queue := t.broker
	switch f.Node {
	case "worker":
		queue = t.workers
	case "beat":
		queue = t.beats
	}
	select {
	case queue <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	release = func() { <-queue }
	if queue == t.broker {
		// What was planned as time to recover is left also when the healing was late, as far as it is needed.
		rest := min(max(0, f.At-t.planned), settle)
		if !t.healed.IsZero() && !waitUntil(ctx, t.healed.Add(rest)) {
			release()
			return nil, false
		}
		release = func() {
			t.planned, t.healed = f.Ends(), time.Now()
			<-queue
		}
	}
	if ctx.Err() != nil {
		release()
		return nil, false
	}
	return release, true
}
