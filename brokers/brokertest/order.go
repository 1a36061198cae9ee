package brokertest

import (
	"context"
	"fmt"
	"slices"

	"taskbench/brokers"
)

// order is about which message comes first.
var order = []Clause{
	{
		Name:  "fifo",
		Why:   "where order is promised, work that depends on it is written",
		Needs: []brokers.Promise{brokers.FIFO},
		Check: func(ctx context.Context, e *Env) error {
			const n = 100
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, n, 10)
			if err != nil {
				return err
			}
			ds, err := takeAck(ctx, c, n)
			if err != nil {
				return err
			}
			for i, d := range ds {
				if got, want := d.Message().CorrelationID, letter(q, i).CorrelationID; got != want {
					return fmt.Errorf("delivery %d is %s, want %s", i+1, got, want)
				}
			}
			return nil
		},
	},
	{
		Name:  "priorities",
		Why:   "an urgent task must not wait behind a backlog",
		Needs: []brokers.Promise{brokers.Priorities},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			published := make(map[string]uint8)
			for i, p := range []uint8{0, 9, 5, 9, 0, 5} {
				m := letter(q, i)
				m.Priority = p
				published[m.CorrelationID] = p
				if err := e.Broker.Publish(ctx, m); err != nil {
					return err
				}
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 1)
			if err != nil {
				return err
			}
			ds, err := takeAck(ctx, c, 6)
			if err != nil {
				return err
			}
			var got []uint8
			for _, d := range ds {
				got = append(got, published[d.Message().CorrelationID])
			}
			// Brokers differ in which end is urgent, but each knows one.
			up, down := slices.Clone(got), slices.Clone(got)
			slices.Sort(up)
			slices.Sort(down)
			slices.Reverse(down)
			if !slices.Equal(got, up) && !slices.Equal(got, down) {
				return fmt.Errorf("priorities came in the order %v", got)
			}
			return nil
		},
	},
}
