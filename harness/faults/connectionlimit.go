package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers"
)

var _ = register(Fault{
	Name: "connection-limit",
	Node: "broker",
	Doc: "The broker's server has as many clients as it allows (Redis's maxclients, the max_connections of PostgreSQL and MySQL, those of " +
		"RabbitMQ's virtual host), so that who is connected stays and nobody else gets in, until `for` has passed.",
	Unfit: func(s Setting) string { return s.limit(brokers.LimitConnections) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		said, restore, err := reach(ctx, t, brokers.LimitConnections, "")
		if err != nil {
			return Effect{}, err
		}
		heal := func(ctx context.Context) (string, error) {
			if err := restore(ctx); err != nil {
				return "", err
			}
			return answersAgain(ctx, t)
		}
		// A client that leaves makes room for one: then the next is refused.
		var refusal error
		for try := 0; refusal == nil && try < 20; try++ {
			refusal, err = refused(ctx, t, t.Broker.Info().URL, time.Second)
			if err != nil {
				return Effect{}, withdraw(ctx, heal, err)
			}
		}
		if refusal == nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("reach the limit of connections (%s): a new client still gets in", said))
		}
		return Effect{Node: t.Broker.Info().Name, Proof: fmt.Sprintf("%s; a new client is refused: %v", said, trim(refusal)), Heal: heal}, nil
	},
})
