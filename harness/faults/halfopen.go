package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var _ = register(Fault{
	Name:  "half-open",
	Node:  "broker",
	Doc:   "Connections to the broker stay open and new ones are accepted, but nothing passes in either direction, until `for` has passed.",
	Unfit: Setting.link,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		silenced, err := t.Proxy.Silence()
		if err != nil {
			return Effect{}, fmt.Errorf("silence the broker: %w", err)
		}
		const patience = 500 * time.Millisecond
		heal := func(ctx context.Context) (string, error) {
			if err := t.Proxy.Heal(); err != nil {
				return "", fmt.Errorf("let the broker speak again: %w", err)
			}
			return throughProxy(ctx, t)
		}
		err = probe(ctx, t, t.Via, patience)
		if err == nil {
			return Effect{}, withdraw(ctx, heal, errors.New("silence the broker: it still answers"))
		}
		return Effect{
			Node:  t.Broker.Info().Name,
			Proof: fmt.Sprintf("%d connections silenced; no answer within %v: %v", silenced, patience, trim(err)),
			Heal:  heal,
		}, nil
	},
})
