package faults

import (
	"context"
	"fmt"
	"time"
)

// unanswered is how long a client waits in vain before a silence is believed.
const unanswered = 500 * time.Millisecond

var _ = register(Fault{
	Name:   "half-open",
	Node:   "broker",
	Doc:    "Connections to the broker stay open and new ones are accepted, but nothing passes in either direction, until `for` has passed.",
	Params: map[string]Param{"side": side},
	Unfit:  Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met := sides(a)
		silenced, err := t.Proxy.Silence(met...)
		if err != nil {
			return Effect{}, fmt.Errorf("silence the broker: %w", err)
		}
		heal := clearWay(t)
		refusal, err := t.unreachable(ctx, met, unanswered)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("silence the broker: %w", err))
		}
		proof := fmt.Sprintf("%d connections of %s silenced; no answer within %v: %v", silenced, clientsOf(met), unanswered, trim(refusal))
		return settled(ctx, t, met, proof, heal)
	},
})
