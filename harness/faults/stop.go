package faults

import (
	"context"
	"fmt"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:   "stop",
	Node:   "broker",
	Ends:   true,
	Absent: true,
	Doc:    "Shuts the broker's server down in the orderly way of its product; after `for` it is started again.",
	Unfit:  func(s Setting) string { return s.server(lab.Stop) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Stop); err != nil {
			return Effect{}, fmt.Errorf("stop broker %s: %w", info.Product, err)
		}
		return Effect{Node: info.Name, Proof: proofDown(ctx, t, info), Heal: startBroker(t)}, nil
	},
})
