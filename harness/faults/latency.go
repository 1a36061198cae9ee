package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/lab/proxy"
)

var latency = Fault{
	Name: "latency",
	Node: "broker",
	Doc:  "Delays every byte between the broker and its clients by `delay` each way, give or take `jitter`, until `for` has passed.",
	Params: map[string]Param{
		"delay":  {Doc: "each way", Default: 50 * time.Millisecond},
		"side":   side,
		"jitter": {Doc: "uniform, plus or minus", Default: time.Duration(0)},
	},
	Unfit: Setting.link,
}

var _ = func() struct{} {
	latency.Inject = injectLatency
	return register(latency)
}()

func injectLatency(ctx context.Context, t Target, a Args) (Effect, error) {
	delay, jitter := param[time.Duration](a, "delay"), param[time.Duration](a, "jitter")
	met := sides(a)
	before, err := roundTrip(ctx, t, met)
	if err != nil {
		return Effect{}, fmt.Errorf("measure the way to the broker: %w", err)
	}
	if err := t.Proxy.Latency(delay, jitter, t.Rand.Uint64(), met...); err != nil {
		return Effect{}, fmt.Errorf("delay the broker: %w", err)
	}
	least := leastDelay(delay, jitter)
	heal := func(ctx context.Context) (string, error) {
		if err := t.Proxy.Heal(); err != nil {
			return "", fmt.Errorf("end the broker's delay: %w", err)
		}
		after, err := awaitSwift(ctx, t, met, max(least, before))
		if err != nil {
			return "", fmt.Errorf("measure the way to the broker after the delay: %w", err)
		}
		return fmt.Sprintf("a protocol exchange takes %.1f ms again", ms(after)), nil
	}
	during, err := roundTrip(ctx, t, met)
	for range 20 { // where the jitter is large, one exchange may be lucky
		if err != nil || during >= least {
			break
		}
		during, err = roundTrip(ctx, t, met)
	}
	switch {
	case err != nil:
		return Effect{}, withdraw(ctx, heal, fmt.Errorf("delay the broker: measure the delayed way: %w", err))
	case during < least:
		return Effect{}, withdraw(ctx, heal, fmt.Errorf("delay the broker: an exchange took %v, less than %v", during, least))
	}
	return settled(ctx, t, met, fmt.Sprintf("a protocol exchange took %.1f ms before and takes %.1f ms now", ms(before), ms(during)), heal)
}

// leastDelay is what an exchange, there and back, must take for the delay to be believed: what it takes at least,
// and, where the jitter leaves nothing of that, what it often takes.
func leastDelay(delay, jitter time.Duration) time.Duration {
	return max(2*(delay-jitter), (delay+jitter)/2)
}

// awaitSwift repeats an exchange until one takes less than the bound; other load may slow it down meanwhile.
func awaitSwift(ctx context.Context, t Target, met []proxy.Side, bound time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		took, err := roundTrip(ctx, t, met)
		if err == nil && took < bound {
			return took, nil
		}
		if err != nil || ctx.Err() != nil {
			return 0, fmt.Errorf("an exchange still takes %v, not less than %v: %w", took, bound, errors.Join(err, ctx.Err()))
		}
	}
}

// roundTrip is how long connecting and one protocol exchange take through the proxy, on the fastest of the ways.
func roundTrip(ctx context.Context, t Target, met []proxy.Side) (least time.Duration, err error) {
	for _, url := range t.ways(met) {
		began := time.Now()
		if err := probe(ctx, t, url, 20*time.Second); err != nil {
			return 0, err
		}
		if took := time.Since(began); least == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
