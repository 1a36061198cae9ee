package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/lab/proxy"
)

// side is the parameter of every fault of the network: it may meet workers or publishers alone.
var side = Param{Doc: "whose connections it meets", Default: "both", Choices: []string{"both", string(proxy.Workers), string(proxy.Publishers)}}

// sides are those that a fault of the network meets, nil for both.
func sides(a Args) []proxy.Side {
	if s := proxy.Side(param[string](a, "side")); s != "both" {
		return []proxy.Side{s}
	}
	return nil
}

// clientsOf are the clients whose connections a fault meets, in words.
func clientsOf(sides []proxy.Side) string {
	if len(sides) == 1 {
		return string(sides[0])
	}
	return "workers and publishers"
}

// ways are the broker's URLs of those that a fault meets.
func (t Target) ways(sides []proxy.Side) []string {
	switch {
	case t.SendVia == "":
		return []string{t.Via}
	case len(sides) == 0:
		return []string{t.Via, t.SendVia}
	case sides[0] == proxy.Publishers:
		return []string{t.SendVia}
	}
	return []string{t.Via}
}

// spared sees that who is not meant still reaches the broker, and says so; "" where everybody is meant.
func (t Target) spared(ctx context.Context, met []proxy.Side) (string, error) {
	if len(met) == 0 {
		return "", nil
	}
	for _, s := range proxy.Sides {
		if s == met[0] {
			continue
		}
		if err := probe(ctx, t, t.ways([]proxy.Side{s})[0], 10*time.Second); err != nil {
			return "", fmt.Errorf("the %s, who are not meant, do not reach the broker either: %w", s, err)
		}
		return fmt.Sprintf("; %s still get through", s), nil
	}
	return "", nil
}

// unreachable sees that none of those that are meant gets an answer, and returns what the last of them got instead.
func (t Target) unreachable(ctx context.Context, met []proxy.Side, patience time.Duration) (refusal error, err error) {
	for _, url := range t.ways(met) {
		if refusal, err = refused(ctx, t, url, patience); err != nil {
			return nil, err
		}
		if refusal == nil {
			return nil, fmt.Errorf("a client of the %s is still answered", clientsOf(met))
		}
	}
	return refusal, nil
}

// throughProxy is the proof that clients reach the broker again on their own ways.
func throughProxy(ctx context.Context, t Target) (string, error) {
	began := time.Now()
	for _, url := range t.ways(nil) {
		if err := probe(ctx, t, url, 20*time.Second); err != nil {
			return "", fmt.Errorf("the broker does not answer through the proxy: %w", err)
		}
	}
	return fmt.Sprintf("clients get through again after %.3f s", time.Since(began).Seconds()), nil
}

// clearWay is the healing of every fault of the network.
func clearWay(t Target) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := t.Proxy.Heal(); err != nil {
			return "", fmt.Errorf("clear the way to the broker: %w", err)
		}
		return throughProxy(ctx, t)
	}
}

// settled ends the injection of a fault of the network that took effect, unless it met also those who are not meant.
func settled(ctx context.Context, t Target, met []proxy.Side, proof string, heal func(context.Context) (string, error)) (Effect, error) {
	others, err := t.spared(ctx, met)
	if err != nil {
		return Effect{}, withdraw(ctx, heal, err)
	}
	return Effect{Node: t.Broker.Info().Name, Proof: proof + others, Heal: heal}, nil
}
