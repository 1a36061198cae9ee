package brokertest_test

import (
	"context"
	"time"

	"taskbench/brokers"
)

type delayFunc func(ctx context.Context, m brokers.Message, until time.Time) error

func (b *bent) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if b.bug.delay == nil {
		return b.broker.Delay(ctx, m, until)
	}
	return b.bug.delay(ctx, m, until, b.broker.Delay)
}

func delayBugs() []bug {
	forgets := func(context.Context, brokers.Message, time.Time, delayFunc) error { return nil }
	return []bug{
		{
			clause: "delayed-comes-when-due", name: "delays nothing",
			delay: func(ctx context.Context, m brokers.Message, _ time.Time, next delayFunc) error {
				return next(ctx, m, time.Now())
			},
		},
		{clause: "delayed-comes-when-due", name: "forgets", delay: forgets},
		{
			clause: "delayed-comes-when-due", name: "is a minute late",
			delay: func(ctx context.Context, m brokers.Message, until time.Time, next delayFunc) error {
				return next(ctx, m, until.Add(time.Minute))
			},
		},
		{
			clause: "delayed-comes-when-due", name: "forgets the headers",
			delay: func(ctx context.Context, m brokers.Message, until time.Time, next delayFunc) error {
				m.Headers = nil
				return next(ctx, m, until)
			},
		},
		{clause: "delayed-survives-kill", name: "forgets", delay: forgets},
	}
}
