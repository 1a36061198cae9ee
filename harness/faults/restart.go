package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:  "restart",
	Node:  "broker",
	Ends:  true,
	Brief: true,
	Doc:   "Shuts the broker's server down in the orderly way of its product and starts it again at once. It needs no `for`.",
	Unfit: func(s Setting) string { return s.server(lab.Stop) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		before := t.Broker.Info()
		began := time.Now()
		if err := t.Broker.Do(ctx, lab.Stop); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("stop broker %s: %w", before.Product, err), upAgain(ctx, t))
		}
		down := proofDown(ctx, t, before)
		if down == "" {
			return Effect{}, errors.Join(fmt.Errorf("stop broker %s: it still answers", before.Product), upAgain(ctx, t))
		}
		up, err := startBroker(t)(ctx)
		if err != nil {
			return Effect{}, errors.Join(err, upAgain(ctx, t))
		}
		return Effect{
			Node:  before.Name,
			Proof: fmt.Sprintf("stopped in %.2f s: %s; %s", time.Since(began).Seconds(), down, up),
			Heal:  func(ctx context.Context) (string, error) { return answersAgain(ctx, t) },
		}, nil
	},
})

// upAgain starts a broker that an injection which failed has left down: nothing may stay to be healed.
func upAgain(ctx context.Context, t Target) error {
	ctx, cancel := outliving(ctx)
	defer cancel()
	if probe(ctx, t, t.Broker.Info().URL, time.Second) == nil {
		return nil
	}
	_, err := startBroker(t)(ctx)
	return err
}

// answersAgain is the proof that the server answers its own protocol.
func answersAgain(ctx context.Context, t Target) (string, error) {
	began := time.Now()
	if err := probe(ctx, t, t.Broker.Info().URL, 20*time.Second); err != nil {
		return "", fmt.Errorf("broker %s does not answer: %w", t.Broker.Info().Product, err)
	}
	return fmt.Sprintf("answers within %.3f s", time.Since(began).Seconds()), nil
}
