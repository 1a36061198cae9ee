package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

// doubt is about publishes whose answer does not come.
var doubt = []Clause{
	{
		Name:  "publish-keeps-deadline",
		Why:   "a publisher whose broker says nothing must get its control back in time",
		Hooks: []Hook{Silence},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 1); err != nil {
				return err
			}
			restore, err := e.Subject.Silence(ctx)
			if err != nil {
				return fmt.Errorf("silence links: %w", err)
			}
			defer restore()
			const deadline, grace = time.Second, time.Second
			ctx, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			began := time.Now()
			err = e.Broker.Publish(ctx, letter(q, 1))
			if took := time.Since(began); err == nil || took > deadline+grace {
				return fmt.Errorf("publish to a silent server gives %w after %v, want an error after %v", orNone(err), took, deadline)
			}
			return nil
		},
	},
	{
		Name:  "unanswered-publish-is-unknown",
		Why:   "a task that may have been stored, and is called refused, is sent again and runs twice",
		Hooks: []Hook{Silence, Break},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 1); err != nil {
				return err
			}
			restore, err := e.Subject.Silence(ctx)
			if err != nil {
				return fmt.Errorf("silence links: %w", err)
			}
			defer restore()
			done := make(chan error, 1)
			go func() { done <- e.Broker.Publish(ctx, letter(q, 1)) }()
			sent := time.NewTimer(quiet)
			defer sent.Stop()
			select {
			case err := <-done:
				return fmt.Errorf("publish to a silent server returns %w at once", orNone(err))
			case <-sent.C:
			}
			if err := e.Subject.Break(ctx); err != nil {
				return fmt.Errorf("break links: %w", err)
			}
			restore() // a driver that tries again may well get through
			err = <-done
			if err != nil && brokers.Definite(err) {
				return fmt.Errorf("publish whose link broke before the answer is called refused: %w", err)
			}
			return nil
		},
	},
	{
		Name:  "outcomes-hold-after-break",
		Why:   "what a publish said before, during and after a broken link must be what is in the queue",
		Needs: []brokers.Promise{brokers.Confirms},
		Hooks: []Hook{Break},
		Limit: time.Minute,
		Check: outcomesHold,
	},
}

// outcomesHold breaks all links in the middle of many publishes and compares what each said with what arrives.
func outcomesHold(ctx context.Context, e *Env) error {
	const publishers, each1, breakAfter = 8, 100, 200
	q := e.Queue("q")
	outcomes := make([]error, publishers*each1)
	var confirmed atomic.Int64
	midway := make(chan struct{})
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each1 {
				n := p*each1 + i
				outcomes[n] = e.Broker.Publish(ctx, letter(q, n))
				if outcomes[n] == nil && confirmed.Add(1) == breakAfter {
					close(midway)
				}
			}
		})
	}
	select {
	case <-midway:
	case <-ctx.Done():
		return fmt.Errorf("after %d publishes: %w", confirmed.Load(), ctx.Err())
	}
	err := e.Subject.Break(ctx)
	wg.Wait()
	if err != nil {
		return fmt.Errorf("break links: %w", err)
	}
	_, c, err := consumeElsewhere(ctx, e, q, 100)
	if err != nil {
		return err
	}
	arrived := make(map[string]int)
	for {
		d, err := nextWithin(ctx, c, 4*quiet)
		if err != nil {
			break // quiet; a consumer that failed shows as messages missing
		}
		arrived[d.Message().CorrelationID]++
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
	var wrong []error
	for n, outcome := range outcomes {
		id := letter(q, n).CorrelationID
		switch {
		case outcome == nil && arrived[id] == 0:
			wrong = append(wrong, fmt.Errorf("message %s was confirmed and is lost", id))
		case brokers.Definite(outcome) && arrived[id] > 0:
			wrong = append(wrong, fmt.Errorf("message %s arrived, and its publish was called refused: %w", id, outcome))
		case outcome == nil && arrived[id] > 1:
			wrong = append(wrong, fmt.Errorf("message %s arrived %d times", id, arrived[id]))
		}
	}
	if len(wrong) > 3 {
		wrong = append(slices.Clip(wrong[:3]), fmt.Errorf("and %d more", len(wrong)-3))
	}
	return errors.Join(wrong...)
}
