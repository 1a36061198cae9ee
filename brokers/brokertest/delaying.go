package brokertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
)

// How far from its time a delayed message may come: as much as brokers.Delayer allows, and the time that a queue needs
// that has just been made.
const (
	early = 2 * time.Second
	late  = 5 * time.Second
)

// delaying is about brokers that are Delayers.
var delaying = []Clause{
	{
		Name:  "delayed-comes-when-due",
		Why:   "a worker that holds a task until next week holds its memory and its prefetch, too",
		Needs: []brokers.Promise{brokers.Delays},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := e.Broker.Consume(ctx, []string{q}, 10)
			if err != nil {
				return err
			}
			start := time.Now()
			for i, after := range []time.Duration{6 * time.Second, 3 * time.Second, -time.Second, time.Hour} {
				if err := delay(ctx, e.Broker, letter(q, i), start.Add(after)); err != nil {
					return err
				}
			}
			if err := e.Broker.Publish(ctx, letter(q, 9)); err != nil {
				return err
			}
			due := map[string]time.Duration{letter(q, 2).CorrelationID: 0, letter(q, 9).CorrelationID: 0, letter(q, 1).CorrelationID: 3 * time.Second, letter(q, 0).CorrelationID: 6 * time.Second}
			for len(due) > 0 {
				d, err := next(ctx, c)
				if err != nil {
					return fmt.Errorf("%d of the messages that are due are missing: %w", len(due), err)
				}
				m := d.Message()
				want, waited := due[m.CorrelationID]
				if !waited {
					return fmt.Errorf("message %s came, which is not due, or twice", m.CorrelationID)
				}
				delete(due, m.CorrelationID)
				if at := time.Since(start); at < want-early || at > want+late {
					return fmt.Errorf("message %s came after %v and was due after %v", m.CorrelationID, at, want)
				}
				if m.Queue != q || string(m.Body) != m.CorrelationID || m.Headers["task"] != "noop" || d.Redelivered() {
					return fmt.Errorf("message %s came back as %+v, redelivered %v", m.CorrelationID, m, d.Redelivered())
				}
				if err := d.Ack(ctx); err != nil {
					return err
				}
			}
			return nothing(ctx, c)
		},
	},
	{
		Name:  "delayed-survives-kill",
		Why:   "what is due after a restart was accepted before it",
		Needs: []brokers.Promise{brokers.Delays, brokers.SurvivesKill},
		Hooks: []Hook{Kill},
		Limit: 3 * time.Minute,
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 1); err != nil { // the queue is there
				return err
			}
			n, err := delayAtPace(ctx, e.Broker, q)
			if err != nil {
				return err
			}
			if err := e.restart(ctx); err != nil {
				return err
			}
			b, err := e.Open(ctx)
			if err != nil {
				return err
			}
			c, err := b.Consume(ctx, []string{q}, 10)
			if err != nil {
				return err
			}
			missing := map[string]bool{}
			for i := range n {
				missing[letter(q, i).CorrelationID] = true
			}
			for len(missing) > 0 {
				d, err := nextWithin(ctx, c, time.Minute) // a quorum queue takes its time to find a leader
				if err != nil {
					return fmt.Errorf("%d of %d accepted messages are missing: %w", len(missing), n, err)
				}
				delete(missing, d.Message().CorrelationID)
				if err := d.Ack(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// delayAtPace delays letters from number 1 on by four seconds each, for almost three seconds, so that at any moment soon
// after some are at each stage that a broker may have for them. It returns the number of the next letter.
func delayAtPace(ctx context.Context, b brokers.Broker, queue string) (n int, err error) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	began := time.Now()
	for n = 1; time.Since(began) < 2800*time.Millisecond; n++ {
		if err := delay(ctx, b, letter(queue, n), time.Now().Add(4*time.Second)); err != nil {
			return 0, fmt.Errorf("delay message %d: %w", n, err)
		}
		<-pace.C
	}
	return n, nil
}

// delay has a broker delay a message.
func delay(ctx context.Context, b brokers.Broker, m brokers.Message, until time.Time) error {
	d, ok := b.(brokers.Delayer)
	if !ok {
		return errors.New("the broker promises delays, and is no Delayer")
	}
	return d.Delay(ctx, m, until)
}
