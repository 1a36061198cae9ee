package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
)

// Run drives the plan and returns once every due task has had its one attempt. It fails before the load begins
// when a connection cannot be opened. When ctx ends it stops pacing, gives up what is under way, and returns the
// report so far together with the cause.
func Run(ctx context.Context, p Plan) (Report, error) {
	p, err := p.filled()
	if err != nil {
		return Report{}, fmt.Errorf("plan of the load: %w", err)
	}
	g := &generator{Plan: p, queue: newQueue(), schedule: newTally(), lag: newTally()}
	defer g.closeLinks()
	for i := range p.Connections {
		l := &link{open: p.Open, patient: ctx, timeout: p.Timeout, opened: &g.opened}
		g.links = append(g.links, l)
		c, err := p.Open(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("open publisher connection %d: %w", i+1, err)
		}
		l.conn = &conn{broker: c}
	}
	wake, err := newAlarm(ctx)
	if err != nil {
		return Report{}, err
	}
	defer wake.close()
	if p.Watch != nil {
		p.Watch(g.progress)
	}

	var publishers sync.WaitGroup
	for i := range p.Publishers {
		publishers.Go(func() { g.publish(ctx, g.links[i%len(g.links)]) })
	}
	// A publish under way gives up on ctx by itself; those that wait for one must not begin.
	defer context.AfterFunc(ctx, func() { g.queue.close(true) })()
	g.pace(ctx, wake)
	g.queue.close(ctx.Err() != nil)
	publishers.Wait()
	return g.report(), context.Cause(ctx)
}

type generator struct {
	Plan
	links         []*link
	queue         *queue
	schedule, lag *tally

	asked, offered, ok, failed, unknown atomic.Int64
	opened                              atomic.Int64
}

// quantum is the least that the pacer waits: tasks due closer together than this are handed over together.
// It bounds both the schedule error that batching adds and the number of wake-ups a second. The pacer never spins:
// at low rates the generator must leave the processor to what it measures.
const quantum = 100 * time.Microsecond

// pace hands tasks to the publishers as they fall due, all that are due by now at a time.
func (g *generator) pace(ctx context.Context, wake *alarm) {
	var batch []job
	now := time.Since(g.Start)
	flush := func() {
		if len(batch) == 0 {
			return
		}
		for _, j := range batch {
			g.Record.Due(j.seq, g.Origin+int64(j.due))
		}
		if g.Others != nil {
			batch = slices.DeleteFunc(batch, func(j job) bool { return g.Others(j.seq) })
		}
		at := time.Since(g.Start)
		for _, j := range batch {
			g.schedule.add(at - j.due)
		}
		g.asked.Add(int64(len(batch)))
		g.queue.add(batch)
		batch = batch[:0]
	}
	var seq uint64
	for due := range g.Due {
		if due > now {
			flush()
			if now = time.Since(g.Start); due > now {
				if !wake.wait(ctx, g.Start.Add(due)) {
					return
				}
				now = time.Since(g.Start)
			}
		}
		if len(batch) == 1024 {
			// A pacer far behind, or a burst: the publishers need not wait for all of it.
			flush()
			if ctx.Err() != nil {
				return
			}
		}
		batch = append(batch, job{seq, due})
		seq++
	}
	flush()
}

// publish is one publisher: a task at a time, one attempt each.
func (g *generator) publish(ctx context.Context, l *link) {
	for {
		if ctx.Err() != nil {
			g.queue.close(true) // whoever sees the end first: a task that waits must not begin
		}
		j, ok := g.queue.next()
		if !ok {
			return
		}
		m := g.Message(j.seq)
		began := time.Since(g.Start)
		g.lag.add(began - j.due)
		g.offered.Add(1)
		g.Record.PublishStart(j.seq, g.Origin+int64(began))
		err := g.attempt(ctx, l, m)
		outcome := ledger.PublishOK
		switch {
		case err == nil:
			g.ok.Add(1)
		case brokers.Definite(err):
			outcome = ledger.PublishFailed
			g.failed.Add(1)
		default:
			outcome = ledger.PublishUnknown
			g.unknown.Add(1)
		}
		g.Record.PublishEnd(j.seq, g.Origin+int64(time.Since(g.Start)), outcome)
	}
}

func (g *generator) attempt(ctx context.Context, l *link, m brokers.Message) error {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	c, err := l.take(ctx)
	if err != nil {
		return err
	}
	err = c.broker.Publish(ctx, m)
	l.give(c, err)
	return err
}

func (g *generator) progress() Progress {
	return Progress{Due: g.asked.Load(), Sent: g.offered.Load(), Done: g.ok.Load() + g.failed.Load() + g.unknown.Load()}
}

func (g *generator) closeLinks() {
	for _, l := range g.links {
		l.close()
	}
}

func (g *generator) report() Report {
	peak, unsent := g.queue.stats()
	return Report{
		Asked: int(g.asked.Load()), Offered: int(g.offered.Load()),
		OK: int(g.ok.Load()), Failed: int(g.failed.Load()), Unknown: int(g.unknown.Load()), Unsent: unsent,
		Schedule: g.schedule.lag(), Lag: g.lag.lag(), Queue: peak,
		Reconnects: int(g.opened.Load()), Took: time.Since(g.Start),
	}
}
