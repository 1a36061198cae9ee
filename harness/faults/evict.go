package faults

import (
	"context"
	"fmt"

	"taskbench/brokers"
)

var _ = register(Fault{
	Name: "evict",
	Node: "broker",
	Doc: "The broker's server reaches its own limit of memory under a policy that makes room by forgetting what it holds (a maxmemory-policy " +
		"of Redis), until `for` has passed. What it forgets is lost.",
	Params: map[string]Param{policyParam: {
		Doc: "what it forgets: with allkeys-random, allkeys-lru and allkeys-lfu queues and messages as well as anything else, at random, or what " +
			"was used longest ago, or least often; with volatile-random, volatile-lru, volatile-lfu and volatile-ttl, which takes what would " +
			"expire first, only keys with an expiry, such as the results of tasks: no queue has one, and once there are none publishes are refused",
		Default: "allkeys-random", Choices: []string{"allkeys-random", "allkeys-lru", "allkeys-lfu", "volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"},
	}},
	Unfit: func(s Setting) string { return s.limit(brokers.LimitEviction) },
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		said, restore, err := reach(ctx, t, brokers.LimitEviction, a.only())
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
