package faults

import (
	"context"
	"fmt"

	"taskbench/brokers"
)

var _ = register(Fault{
	Name: "evict",
	Node: "broker",
	Doc: "The broker's server reaches its own limit of memory under a policy that makes room by forgetting what it holds (Redis's " +
		"allkeys-random), until `for` has passed. What it forgets is lost.",
	Unfit: func(s Setting) string { return s.limit(brokers.LimitEviction) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		said, restore, err := reach(ctx, t, brokers.LimitEviction)
		if err != nil {
			return Effect{}, err
		}
		return Effect{
			Node:  t.Broker.Info().Name,
			Proof: said,
			Heal: func(ctx context.Context) (string, error) {
				if err := restore(ctx); err != nil {
					return "", err
				}
				up, err := answersAgain(ctx, t)
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("maxmemory and policy are as they were; %s", up), nil
			},
		}, nil
	},
})
