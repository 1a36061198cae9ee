package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var _ = register(Fault{
	Name:  "disconnect",
	Node:  "broker",
	Doc:   "Resets every connection to the broker and refuses new ones, for workers and publishers alike, until `for` has passed.",
	Unfit: Setting.link,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		cut, err := t.Proxy.Disconnect()
		if err != nil {
			return Effect{}, fmt.Errorf("disconnect the broker: %w", err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := t.Proxy.Heal(); err != nil {
				return "", fmt.Errorf("let connections to the broker through again: %w", err)
			}
			return throughProxy(ctx, t)
		}
		err = probe(ctx, t, t.Via, time.Second)
		if err == nil {
			return Effect{}, withdraw(ctx, heal, errors.New("disconnect the broker: a new connection still got through"))
		}
		return Effect{
			Node:  t.Broker.Info().Name,
			Proof: fmt.Sprintf("%d connections reset; a new one is refused: %v", cut, trim(err)),
			Heal:  heal,
		}, nil
	},
})

// throughProxy is the proof that clients reach the broker again on their own way.
func throughProxy(ctx context.Context, t Target) (string, error) {
	began := time.Now()
	if err := probe(ctx, t, t.Via, 20*time.Second); err != nil {
		return "", fmt.Errorf("the broker does not answer through the proxy: %w", err)
	}
	return fmt.Sprintf("a client gets through again after %.3f s", time.Since(began).Seconds()), nil
}
