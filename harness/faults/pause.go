package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name:  "pause",
	Node:  "broker",
	Doc:   "Freezes every thread of the broker's server, so that connections stay open and nothing answers; thaws it after `for`.",
	Unfit: func(s Setting) string { return s.server(lab.Pause) },
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Pause); err != nil {
			return Effect{}, fmt.Errorf("pause broker %s: %w", info.Product, err)
		}
		resume := func(ctx context.Context) (string, error) {
			if err := t.Broker.Do(ctx, lab.Resume); err != nil {
				return "", fmt.Errorf("resume broker %s: %w", info.Product, err)
			}
			began := time.Now()
			if err := probe(ctx, t, info.URL, 20*time.Second); err != nil {
				return "", fmt.Errorf("broker %s does not answer after its pause: %w", info.Product, err)
			}
			return fmt.Sprintf("answers %.3f s after the thaw", time.Since(began).Seconds()), nil
		}
		const patience = 500 * time.Millisecond
		instead, err := refused(ctx, t, info.URL, patience)
		if err == nil && instead == nil {
			err = fmt.Errorf("pause broker %s: it went on answering", info.Product)
		}
		if err != nil {
			return Effect{}, withdraw(ctx, resume, err)
		}
		return Effect{Node: info.Name, Proof: fmt.Sprintf("no answer within %v: %v", patience, trim(instead)), Heal: resume}, nil
	},
})
