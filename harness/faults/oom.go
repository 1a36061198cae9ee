package faults

import (
	"context"
	"errors"
	"fmt"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name: "oom",
	Node: "broker",
	Ends: true,
	Doc: "Takes memory away from the broker's container until the kernel kills the server for want of it, and gives the limit back; after " +
		"`for` it is started again with whatever data it had kept.",
	Unfit: func(s Setting) string {
		if why := s.server(lab.Exhaust); why != "" {
			return why
		}
		if s.Lab != "docker" {
			return "only a container has a limit of memory of its own: use lab docker"
		}
		return ""
	},
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Exhaust); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("take memory from broker %s: %w", info.Product, err), upAgain(ctx, t))
		}
		proof := proofDown(ctx, t, info)
		if proof != "" {
			proof = "killed by the kernel for want of memory: " + proof
		}
		return Effect{Node: info.Name, Proof: proof, Heal: startBroker(t)}, nil
	},
})
