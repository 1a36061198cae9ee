package faults

import (
	"context"
	"fmt"
)

// The directions of a one-way partition.
const (
	toBroker   = "to-broker"
	fromBroker = "from-broker"
)

var _ = register(Fault{
	Name: "blackhole",
	Node: "broker",
	Doc: "A one-way partition: connections stay open and new ones are accepted, but nothing passes in one direction until `for` has passed. " +
		"What was sent meanwhile arrives then, as TCP would send it again.",
	Params: map[string]Param{
		"direction": {Doc: "which way nothing passes", Default: toBroker, Choices: []string{toBroker, fromBroker}},
		"side":      side,
	},
	Unfit: Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met, direction := sides(a), param[string](a, "direction")
		muted, err := t.Proxy.Mute(direction == toBroker, met...)
		if err != nil {
			return Effect{}, fmt.Errorf("cut the way %s: %w", direction, err)
		}
		heal := clearWay(t)
		up, down := t.Proxy.Passed(met...)
		refusal, err := t.unreachable(ctx, met, unanswered)
		up2, down2 := t.Proxy.Passed(met...)
		through, against := up2-up, down2-down
		if direction == fromBroker {
			through, against = against, through
		}
		if err == nil && through > 0 {
			err = fmt.Errorf("%d bytes still passed", through)
		}
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("cut the way %s: %w", direction, err))
		}
		proof := fmt.Sprintf("%d connections of %s: no byte passed %s within %v, %d the other way; no answer: %v",
			muted, clientsOf(met), direction, unanswered, against, trim(refusal))
		return settled(ctx, t, met, proof, heal)
	},
})
