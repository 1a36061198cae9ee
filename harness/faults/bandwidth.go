package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/lab/proxy"
)

var _ = register(Fault{
	Name: "bandwidth",
	Node: "broker",
	Doc:  "Lets only `rate` bytes a second pass between the broker and its clients in each direction, which the connections of a side share, until `for` has passed.",
	Params: map[string]Param{
		"rate": {Doc: "bytes a second each way", Default: Bytes(64 << 10), Positive: true},
		"side": side,
	},
	Unfit: Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met, rate := sides(a), int64(param[Bytes](a, "rate"))
		before, err := exchange(ctx, t, met)
		if err != nil {
			return Effect{}, fmt.Errorf("measure the way to the broker: %w", err)
		}
		if err := t.Proxy.Bandwidth(rate, met...); err != nil {
			return Effect{}, fmt.Errorf("narrow the way to the broker: %w", err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := t.Proxy.Heal(); err != nil {
				return "", fmt.Errorf("widen the way to the broker: %w", err)
			}
			took, err := awaitUnheld(ctx, t, met)
			if err != nil {
				return "", fmt.Errorf("measure the way to the broker after it was widened: %w", err)
			}
			return fmt.Sprintf("an exchange takes %.1f ms again, and none of it is held back", ms(took)), nil
		}
		proof, err := awaitHeld(ctx, t, met, rate)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("narrow the way to the broker: %w", err))
		}
		return settled(ctx, t, met, fmt.Sprintf("an exchange took %.1f ms before; %s", ms(before), proof), heal)
	},
})

// exchange is how long connecting and one protocol exchange take on the ways of the sides, one after the other.
func exchange(ctx context.Context, t Target, met []proxy.Side) (time.Duration, error) {
	began := time.Now()
	for _, url := range t.ways(met) {
		if err := probe(ctx, t, url, 20*time.Second); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// awaitHeld repeats exchanges until they were held back for a time that can be seen, and says how much passed meanwhile,
// which must not be more than the rate allows.
func awaitHeld(ctx context.Context, t Target, met []proxy.Side, rate int64) (string, error) {
	const enough, patience = 20 * time.Millisecond, 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, held := time.Now(), t.Proxy.Counts().Held
	up, down := t.Proxy.Passed(met...)
	for {
		took, err := exchange(ctx, t, met)
		if err != nil {
			return "", err
		}
		waited, lasted := t.Proxy.Counts().Held-held, time.Since(began)
		if waited >= enough {
			up2, down2 := t.Proxy.Passed(met...)
			most := max(up2-up, down2-down)
			// What was being written in the moment of the change was not held to the rate yet.
			if bound := int64(lasted.Seconds()*float64(rate))*int64(len(t.ways(met))) + 128<<10; most > bound {
				return "", fmt.Errorf("%d bytes passed in %v, more than %d a second", most, lasted, rate)
			}
			return fmt.Sprintf("one takes %.1f ms now; data waited %.1f ms for the %d bytes a second", ms(took), ms(waited), rate), nil
		}
		if lasted > patience {
			return "", fmt.Errorf("no data had to wait: whatever is sent fits into %d bytes a second", rate)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// awaitUnheld repeats an exchange until nothing was held back while it lasted.
func awaitUnheld(ctx context.Context, t Target, met []proxy.Side) (time.Duration, error) {
	for {
		held := t.Proxy.Counts().Held
		took, err := exchange(ctx, t, met)
		if err != nil || t.Proxy.Counts().Held == held {
			return took, err
		}
	}
}
