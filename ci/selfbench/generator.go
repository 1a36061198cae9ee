package main

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/load"
)

// generator drives the most that is asked of it into the in-process broker.
func generator(ctx context.Context, _ settings) ([]line, error) {
	const rate, span = 50_000, 5 * time.Second
	r, err := load.SelfBench(ctx, rate, span)
	if err != nil {
		return nil, err
	}
	offered := float64(r.Offered) / r.Took.Seconds()
	return []line{
		{"offered", fmt.Sprintf("%.0f/s", offered), fmt.Sprintf("%d/s", rate), offered >= 0.99*rate},
		{"schedule error p50", r.Schedule.P50.String(), "", true},
		{"schedule error p99", r.Schedule.P99.String(), "below 1ms", r.Schedule.P99 < time.Millisecond},
		{"schedule error max", r.Schedule.Max.String(), "", true},
		{"publish lag p99", r.Lag.P99.String(), "", true},
	}, nil
}
