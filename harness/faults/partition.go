package faults

import (
	"context"
	"fmt"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:   "partition",
	Node:   "broker",
	Member: true,
	Absent: true,
	Doc: "Cuts one server of a broker that is several off from the others, which go on seeing each other, until `for` has passed. Its " +
		"clients still reach it. `node` says which one: leader, replica, or broker-2.",
	Unfit: func(s Setting) string { return s.server(lab.Isolate) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Isolate); err != nil {
			return Effect{}, fmt.Errorf("cut %s off from the others: %w", info.Name, err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := t.Broker.Do(ctx, lab.Rejoin); err != nil {
				return "", fmt.Errorf("join %s to the others again: %w", info.Name, err)
			}
			return "on the network of the members again", nil
		}
		return Effect{Node: info.Name, Proof: "off the network of the members", Heal: heal}, nil
	},
})
