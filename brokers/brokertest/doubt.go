package brokertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
			if err := failsInTime(ctx, e.Broker, letter(q, 1)); err != nil {
				return fmt.Errorf("publish to a silent server %w", err)
			}
			return nil
		},
	},
	{
		Name:  "publish-to-dead-keeps-deadline",
		Why:   "a publisher whose broker is gone must get its control back in time, and go on when it is there again",
		Hooks: []Hook{Kill},
		Limit: 3 * time.Minute,
		Check: publishToDead,
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
		Why:   "what a publish said before, during and after a broken link must be what is in the queue, and the next one must work",
		Needs: []brokers.Promise{brokers.Confirms},
		Hooks: []Hook{Break},
		Limit: time.Minute,
		Check: outcomesHold,
	},
}

// failsInTime makes sure that a publish fails no later than at its deadline.
func failsInTime(ctx context.Context, b brokers.Broker, m brokers.Message) error {
	const deadline, grace = time.Second, time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	began := time.Now()
	err := b.Publish(ctx, m)
	if took := time.Since(began); err == nil || took > deadline+grace {
		return fmt.Errorf("gives %w after %v, want an error within %v", orNone(err), took, deadline)
	}
	return nil
}

// publishToDead kills the server, publishes to it over the link that was there and without one, and starts it again.
func publishToDead(ctx context.Context, e *Env) error {
	q := e.Queue("q")
	if err := publish(ctx, e.Broker, q, 1); err != nil {
		return err
	}
	start, err := e.kill(ctx)
	if err != nil {
		return err
	}
	var late error
	for i := range 3 {
		if err := failsInTime(ctx, e.Broker, letter(q, 1)); err != nil {
			late = fmt.Errorf("publish %d to a dead server %w", i+1, err)
			break
		}
	}
	if err := errors.Join(late, start()); err != nil {
		return err
	}
	if _, err := resume(ctx, e.Broker, q, 2); err != nil {
		return fmt.Errorf("publish after the restart: %w", err)
	}
	return nil
}

// resume publishes letters from number from on until one is confirmed, which must not take long, and returns what each
// publish said.
func resume(ctx context.Context, b brokers.Broker, queue string, from int) (outcomes []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = eventually(ctx, func() error {
		outcomes = append(outcomes, b.Publish(ctx, letter(queue, from+len(outcomes))))
		return outcomes[len(outcomes)-1]
	})
	return outcomes, err
}

// outcomesHold breaks all links in the middle of many publishes and compares what each said with what arrives. The last of
// each publisher waits for the break: on a busy machine all others may be over before it.
func outcomesHold(ctx context.Context, e *Env) error {
	const publishers, each1, breakAfter = 8, 101, 200
	q := e.Queue("q")
	outcomes := make([]error, publishers*each1)
	var confirmed atomic.Int64
	midway, broken := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each1 {
				if i == each1-1 {
					<-broken
				}
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
		close(broken)
		return fmt.Errorf("after %d publishes: %w", confirmed.Load(), ctx.Err())
	}
	err := e.Subject.Break(ctx)
	close(broken)
	wg.Wait()
	if err != nil {
		return fmt.Errorf("break links: %w", err)
	}
	again, err := resume(ctx, e.Broker, q, len(outcomes))
	if err != nil {
		return fmt.Errorf("publish after the break, %d times: %w", len(again), err)
	}
	outcomes = slices.Concat(outcomes, again)
	c, err := e.Broker.Consume(ctx, []string{q}, 100)
	if err != nil {
		return fmt.Errorf("consume after the break: %w", err)
	}
	arrived, missing := make(map[string]int), make(map[string]bool)
	for n, outcome := range outcomes {
		if outcome == nil {
			missing[letter(q, n).CorrelationID] = true
		}
	}
	stored := len(missing)
	for {
		within := patience
		if len(missing) == 0 {
			within = 4 * quiet
		}
		d, err := nextWithin(ctx, c, within)
		if err != nil && len(missing) > 0 {
			one := slices.Min(slices.Collect(maps.Keys(missing)))
			return fmt.Errorf("%d of %d confirmed messages are lost, %s among them: %w", len(missing), stored, one, err)
		}
		if err != nil {
			break
		}
		id := d.Message().CorrelationID
		arrived[id]++
		delete(missing, id)
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
	var wrong []error
	for n, outcome := range outcomes {
		id := letter(q, n).CorrelationID
		switch {
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
