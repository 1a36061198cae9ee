package faults

import (
	"context"
	"errors"
	"fmt"
)

var _ = register(Fault{
	Name:   "reset",
	Node:   "broker",
	Brief:  true,
	Doc:    "Resets every connection to the broker once; new ones are accepted at once. It needs no `for`.",
	Params: map[string]Param{"side": side},
	Unfit:  Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met := sides(a)
		cut, err := t.Proxy.Reset(met...)
		if err != nil {
			return Effect{}, fmt.Errorf("reset the connections to the broker: %w", err)
		}
		if cut == 0 {
			return Effect{}, errors.New("reset the connections to the broker: there was none")
		}
		return Effect{
			Node:  t.Broker.Info().Name,
			Proof: fmt.Sprintf("%d connections of %s reset", cut, clientsOf(met)),
			Heal:  func(ctx context.Context) (string, error) { return throughProxy(ctx, t) },
		}, nil
	},
})
