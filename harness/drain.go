package harness

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers"
)

// drained says how the drain ended.
type drained struct {
	full    bool  // queue, unacked set and workers were seen empty
	quiet   int64 // when the last thing happened, nanoseconds since the load began
	ended   int64
	ready   int // messages left, -1 unknown
	unacked int
	held    int // attempts that workers had in hand when the limit passed
	aborted string
	why     string // for a drain that is not full
}

// The drain is over when nothing is left and nothing has happened for calm. While tasks are missing, longer
// silence is needed before they are believed to be gone: doubt; and where the broker cannot count what it has
// handed out, the time in which it must have noticed that a consumer died. So long, too, a worker whose link is broken
// may insist on sending a task that asked to be run again.
const (
	calm  = 500 * time.Millisecond
	doubt = 2 * time.Second
	blind = 12 * time.Second
)

// enough tells whether the silence has lasted long enough.
func enough(silence time.Duration, missing, retrying int, counted bool) bool {
	switch {
	case missing == 0:
		return silence >= calm
	case counted && retrying == 0:
		return silence >= doubt
	}
	return silence >= blind
}

// drainToQuiet waits until queue, unacked set and workers are empty, or the drain limit passes.
func (s *stage) drainToQuiet(ctx context.Context) drained {
	limit := time.NewTimer(s.cell.Scenario.Drain)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	counter := s.newCounter()
	defer counter.close()
	d := drained{ready: -1, unacked: -1, quiet: s.now()}
	for {
		select {
		case <-ctx.Done():
			d.ended, d.aborted = s.now(), fmt.Sprintf("the drain was cut short: %v", context.Cause(ctx))
			return d
		case <-limit.C:
			d.ended = s.now()
			d.held = s.openAttempts(s.alive())
			d.why = fmt.Sprintf("not quiet after %v: %d ready, %d unacked in the broker, %d attempts open in the workers",
				s.cell.Scenario.Drain, d.ready, d.unacked, d.held)
			return d
		case <-tick.C:
		}
		ready, unacked, err := counter.depth(ctx)
		if err != nil {
			continue // the broker may still be coming back; the limit bounds the waiting
		}
		d.ready, d.unacked = ready, unacked
		d.quiet = s.recorder.Live().LastEvent - s.start
		silence := time.Duration(s.now() - d.quiet)
		alive := s.alive()
		if ready > 0 || unacked > 0 || s.openAttempts(alive) > 0 {
			if len(alive) == 0 {
				d.ended, d.why = s.now(), fmt.Sprintf("no worker is left, and in the broker are %d ready, %d unacked", ready, unacked)
				return d
			}
			continue
		}
		if silence < calm {
			continue
		}
		if missing, retrying := s.recorder.Missing(); enough(silence, missing, retrying, unacked >= 0) {
			d.full, d.ended = true, s.now()
			return d
		}
	}
}

// openAttempts is the number of attempts that the processes have in hand.
func (s *stage) openAttempts(alive map[uint32]bool) int {
	return s.recorder.Open(func(pid uint32) bool { return alive[pid] })
}

// A counter asks the broker how much it holds, past the fault proxy, and opens its connection again when it broke.
type counter struct {
	stage  *stage
	broker brokers.Broker
}

func (s *stage) newCounter() *counter { return &counter{stage: s} }

// open has a connection.
func (c *counter) open(ctx context.Context) error {
	if c.broker != nil {
		return nil
	}
	b, err := c.stage.cell.Driver.Open(ctx, c.stage.node.Info().URL, c.stage.cell.Variant)
	if err == nil {
		c.broker = b
	}
	return err
}

// unacked is how many messages are handed out and not settled, below 0 where the broker cannot tell.
func (c *counter) unacked(ctx context.Context) (int, error) {
	_, n, err := c.depth(ctx)
	return n, err
}

// keys is how many keys the broker's server keeps for good, below 0 where it has none.
func (c *counter) keys(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.open(ctx); err != nil {
		return 0, err
	}
	keeper, ok := c.broker.(brokers.Keeper)
	if !ok {
		return -1, nil
	}
	n, err := keeper.Keys(ctx)
	if err != nil {
		c.close()
	}
	return n, err
}

// depth is how many messages are ready, and how many are handed out and not settled.
func (c *counter) depth(ctx context.Context) (ready, unacked int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.open(ctx); err != nil {
		return 0, 0, err
	}
	inspector, ok := c.broker.(brokers.Inspector)
	if !ok {
		return 0, -1, nil // it cannot count: silence alone must tell
	}
	for _, queue := range c.stage.queues() {
		r, u, err := inspector.Depth(ctx, queue)
		if err != nil {
			c.close()
			return 0, 0, err
		}
		if ready += r; u < 0 || unacked < 0 {
			unacked = -1 // it cannot tell
		} else {
			unacked += u
		}
	}
	return ready, unacked, nil
}

func (c *counter) close() {
	if c.broker != nil {
		c.broker.Close()
		c.broker = nil
	}
}
