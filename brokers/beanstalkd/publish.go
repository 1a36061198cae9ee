package beanstalkd

import (
	"context"
	"fmt"
	"math"
	"time"

	"taskbench/brokers"
)

// pack makes the put of a message. The delay is rounded to a second, and what is beyond the protocol's longest, which
// is 136 years, is that.
func (b *broker) pack(m brokers.Message, delay time.Duration) (*call, error) {
	tube, err := tubeOf(m.Queue)
	if err != nil {
		return nil, err
	}
	body, err := encode(m)
	if err != nil {
		return nil, err
	}
	if len(body) > largest {
		return nil, brokers.Refusef("message %s has %d bytes: no beanstalkd takes more than %d", m.CorrelationID, len(body), largest)
	}
	seconds := min(max(delay.Round(time.Second)/time.Second, 0), math.MaxUint32)
	return putting(tube, uint32(m.Priority), uint32(seconds), b.set.ttr, body), nil
}

// putting is the command that stores a job. The most urgent priority is 0.
func putting(tube string, priority, delay uint32, ttr time.Duration, body []byte) *call {
	c := command(nil, "put %d %d %d", priority, delay, ttr/time.Second)
	c.tube, c.body = tube, body
	return c
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	if err := b.put(ctx, m, 0); err != nil {
		return fmt.Errorf("publish to %s: %w", m.Queue, err)
	}
	return nil
}

// Delay implements brokers.Delayer. The server keeps the time.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if err := b.put(ctx, m, time.Until(until)); err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

func (b *broker) put(ctx context.Context, m brokers.Message, delay time.Duration) error {
	c, err := b.pack(m, delay)
	if err != nil {
		return err
	}
	l, err := b.link(ctx)
	if err != nil {
		return err
	}
	r, err := l.do(ctx, c)
	return stored(r, err, c)
}

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	calls := make([]*call, len(ms))
	outcomes := make([]answers, len(ms))
	ready := make([]*call, 0, len(ms))
	l, refused := b.link(ctx)
	for i, m := range ms {
		c, err := b.pack(m, 0)
		if err == nil {
			err = refused
		}
		if errs[i] = err; err == nil {
			outcomes[i] = newAnswers()
			calls[i], c.then = c, outcomes[i].tell
			ready = append(ready, c)
		}
	}
	if refused == nil {
		l.send(ready...)
	}
	for i, c := range calls {
		if c != nil {
			r, err := outcomes[i].await(ctx, c)
			errs[i] = stored(r, err, c)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("publish to %s: %w", ms[i].Queue, errs[i])
		}
	}
	return errs
}

// stored says what the reply to a put means.
func stored(r reply, err error, c *call) error {
	switch {
	case err != nil:
		return err
	case r.word == "JOB_TOO_BIG":
		return brokers.Refusef("the message and its envelope have %d bytes, and the server takes fewer: start beanstalkd with -z %d or more", len(c.body), len(c.body))
	}
	return r.demand("INSERTED")
}
