package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:   "kill",
	Node:   "broker",
	Ends:   true,
	Absent: true,
	Doc:    "SIGKILLs the broker's server; after `for` it is started again with whatever data it had kept.",
	Unfit:  func(s Setting) string { return s.server(lab.Kill) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Kill); err != nil {
			return Effect{}, fmt.Errorf("kill broker %s: %w", info.Product, err)
		}
		return Effect{
			Node:  info.Name,
			Proof: proofDown(ctx, t, info),
			Heal:  startBroker(t),
		}, nil
	},
})

// proofDown asks the server that was just ended to answer, and says how it did not; "" when it did.
func proofDown(ctx context.Context, t Target, info lab.Info) string {
	switch instead, err := refused(ctx, t, info.URL, time.Second); {
	case err != nil:
		return "process gone"
	case instead != nil:
		return fmt.Sprintf("process gone; a client of its own is refused: %v", trim(instead))
	}
	return ""
}

// startBroker heals whatever ended the server: it is up again once it answers its own protocol.
func startBroker(t Target) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		began := time.Now()
		if err := t.Broker.Do(ctx, lab.Start); err != nil {
			return "", fmt.Errorf("start broker %s again: %w", t.Broker.Info().Product, err)
		}
		return fmt.Sprintf("answers its protocol again after %.2f s", time.Since(began).Seconds()), nil
	}
}

// trim keeps the first line of an error, and not too much of that.
func trim(err error) string {
	text := err.Error()
	for i, c := range text {
		if c == '\n' || i > 160 {
			return text[:i]
		}
	}
	return text
}
