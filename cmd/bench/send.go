package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/harness/tasks"
)

func (a *app) sendCommand() *cobra.Command {
	var e endpoint
	n, queue, seed := 1, brokers.DefaultQueue, a.seed()
	c := &cobra.Command{
		Use:   "send WORKLOAD --broker BROKER --url URL",
		Short: "Publish tasks of a workload, for a worker to run",
		Long: `send publishes Celery task messages and waits until the broker has taken each. ` + "`bench list workloads`" + ` shows
what can be sent.`,
		Example: "  bench send io -n 100 --broker redis://127.0.0.1:6379/0",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return extend(typed, workloadNames()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			d, v, at, err := e.find()
			a.mistake(err)
			var mix *tasks.Mix
			if len(args) == 1 {
				s, err := workload(args[0])
				if err == nil {
					mix, err = tasks.NewMix(s.Workload, seed, tasks.Env{})
				}
				a.mistake(err)
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			broker, err := d.Open(c.Context(), at, v)
			if err != nil {
				return harness.EnvironmentError{Err: fmt.Errorf("connect to %s: %w", d.Name, err)}
			}
			run := ledger.NewRun(rand.NewPCG(seed, uint64(a.now().UnixNano())))
			sent, err := publish(c.Context(), broker, n, func(i int) brokers.Message {
				return mix.Message(uint64(i), run.ID(uint64(i)), queue)
			})
			_, _ = fmt.Fprintf(a.stdout, "%d sent\n", sent)
			if err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
	e.flags(a, c)
	c.Flags().VarP(&value[int]{app: a, name: "count", kind: "N", to: &n, text: "1", parse: func(s string, _ int, _ bool) (int, error) { return atLeast(1)(s) }}, "count", "n", "how many tasks")
	valueFlag(a, c, &queue, "queue", "QUEUE", queue, "queue to publish to", anyText)
	valueFlag(a, c, &seed, "seed", "N", "random", "decides durations", parseSeed)
	return c
}

// publish sends n messages, closes the broker, and tells how many were accepted.
func publish(ctx context.Context, b brokers.Broker, n int, message func(int) brokers.Message) (sent int, err error) {
	defer func() {
		if closed := b.Close(); err == nil && closed != nil {
			err = fmt.Errorf("close the connection: %w", closed)
		}
	}()
	for sent < n {
		if err := b.Publish(ctx, message(sent)); err != nil {
			return sent, fmt.Errorf("publish task %d of %d: %w", sent+1, n, err)
		}
		sent++
	}
	return sent, nil
}
