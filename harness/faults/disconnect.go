package faults

import (
	"context"
	"fmt"
	"time"
)

var _ = register(Fault{
	Name:   "disconnect",
	Node:   "broker",
	Doc:    "Resets every connection to the broker and refuses new ones until `for` has passed.",
	Params: map[string]Param{"side": side},
	Unfit:  Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met := sides(a)
		cut, err := t.Proxy.Disconnect(met...)
		if err != nil {
			return Effect{}, fmt.Errorf("disconnect the broker: %w", err)
		}
		heal := clearWay(t)
		refusal, err := t.unreachable(ctx, met, time.Second)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("disconnect the broker: %w", err))
		}
		proof := fmt.Sprintf("%d connections of %s reset; a new one is refused: %v", cut, clientsOf(met), trim(refusal))
		return settled(ctx, t, met, proof, heal)
	},
})
