package faults

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"taskbench/brokers"
)

var _ = register(Fault{
	Name: "consumer-timeout",
	Node: "broker",
	Doc: "The broker's server bears a consumer that holds a message unacknowledged for no longer than `timeout`, and closes its channel then " +
		"(RabbitMQ's consumer_timeout; everybody is made to connect again, since a channel keeps the one that it began with), until `for` has " +
		"passed. What was held is handed out again.",
	Params: map[string]Param{"timeout": {Doc: "how long a message may be held", Default: time.Second, Positive: true}},
	Unfit:  func(s Setting) string { return s.limit(brokers.LimitHolding) },
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		timeout := param[time.Duration](a, "timeout")
		said, restore, err := reach(ctx, t, brokers.LimitHolding, strconv.FormatInt(timeout.Milliseconds(), 10))
		if err != nil {
			return Effect{}, err
		}
		heal := func(ctx context.Context) (string, error) {
			if err := restore(ctx); err != nil {
				return "", err
			}
			up, err := answersAgain(ctx, t)
			if err != nil {
				return "", err
			}
			return "the timeout is as it was, and everybody connects again; it " + up, purge(ctx, t)
		}
		end, err := heldBriefly(ctx, t, timeout)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("shorten the consumers' timeout (%s): %w", said, err))
		}
		return Effect{Node: t.Broker.Info().Name, Proof: said + "; " + end, Heal: heal}, nil
	},
})

// heldBriefly consumes a message and keeps it, until the server takes it away, and says how it did.
func heldBriefly(ctx context.Context, t Target, timeout time.Duration) (string, error) {
	patience := 2*timeout + 5*time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := publish(ctx, t, patience); err != nil {
		return "", fmt.Errorf("publish what is to be held: %w", err)
	}
	b, err := t.Driver.Open(ctx, t.Broker.Info().URL, t.Variant)
	if err != nil {
		return "", err
	}
	defer func() { _ = b.Close() }() // what it held goes back
	asked := time.Now()              // before anything was handed out
	c, err := b.Consume(ctx, []string{limitQueue}, 1)
	if err != nil {
		return "", fmt.Errorf("consume what is to be held: %w", err)
	}
	var began time.Time
	for {
		_, ok := <-c.Deliveries() // which is closed when ctx ends
		switch {
		case !ok && began.IsZero():
			return "", fmt.Errorf("the consumer ended before it had anything: %w", errors.Join(c.Err(), ctx.Err()))
		case ctx.Err() != nil:
			return "", fmt.Errorf("a consumer held a message for %v all the same", time.Since(began).Round(time.Millisecond))
		case !began.IsZero():
			how := "it was handed out again"
			if err := c.Err(); err != nil {
				how = trim(err)
			}
			lost := fmt.Sprintf("a consumer that held a message lost it after %.2f s: %s", time.Since(began).Seconds(), how)
			if time.Since(asked) < timeout { // for another reason
				return "", fmt.Errorf("%s; it may be held for %v", lost, timeout)
			}
			return lost, nil
		}
		began = time.Now()
	}
}
