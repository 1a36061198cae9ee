package faults

import (
	"context"
	"errors"
	"fmt"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:     "wipe",
	Node:     "broker",
	Ends:     true,
	Destroys: true,
	Doc: "SIGKILLs the broker's server and throws its data away; after `for` it is started with nothing. Whatever it had acknowledged and " +
		"not handed out is lost by design.",
	Unfit: func(s Setting) string { return s.server(lab.Wipe) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Kill); err != nil {
			return Effect{}, fmt.Errorf("kill broker %s: %w", info.Product, err)
		}
		proof := proofDown(ctx, t, info)
		if err := t.Broker.Do(ctx, lab.Wipe); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("wipe broker %s: %w", info.Product, err), upAgain(ctx, t))
		}
		if proof != "" {
			proof += "; its data were thrown away"
		}
		return Effect{Node: info.Name, Proof: proof, Heal: startBroker(t)}, nil
	},
})
