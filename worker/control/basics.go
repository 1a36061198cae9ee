package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/worker/event"
)

// Basics are the handlers that need nothing of a worker but its name and clock, and what it has revoked: ping, clock,
// hello and election. known lists the revoked ids and learn is told of more, which other workers know when they
// start; either may be nil.
func Basics(node string, c *event.Clock, known func() []string, learn func(ids []string)) map[string]Handler {
	return map[string]Handler{
		"ping": func(context.Context, map[string]json.RawMessage) (any, error) { return OK("pong"), nil },
		"clock": func(context.Context, map[string]json.RawMessage) (any, error) {
			return map[string]int64{"clock": c.Value()}, nil
		},
		"hello": func(_ context.Context, args map[string]json.RawMessage) (any, error) {
			return hello(node, c, known, learn, args)
		},
		// Celery's workers elect one of them to act on something. A node that has nothing to act on takes no part.
		"election": func(context.Context, map[string]json.RawMessage) (any, error) { return nil, nil },
	}
}

// ids are revoked ids as a greeting tells them: Celery 5.7 lists them, and older ones map each to the time when it was
// revoked.
type ids []string

func (i *ids) UnmarshalJSON(raw []byte) error {
	var timed map[string]json.RawMessage
	if json.Unmarshal(raw, &timed) == nil {
		*i = slices.Sorted(maps.Keys(timed))
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(i))
}

// A greeting is the answer to hello. Celery before 5.7 gives each revoked id with the time of its own monotonic clock,
// and refuses a time that is not written as a float; all versions read that.
type greeting struct {
	Revoked map[string][2]any `json:"revoked"`
	Clock   int64             `json:"clock"`
}

var began = time.Now()

func hello(node string, c *event.Clock, known func() []string, learn func([]string), args map[string]json.RawMessage) (any, error) {
	from, err := Need[string](args, "from_node")
	if err != nil {
		return nil, err
	}
	if from == node {
		return nil, nil
	}
	theirs, err := Arg(args, "revoked", ids(nil))
	if err != nil {
		return nil, err
	}
	if len(theirs) > 0 && learn != nil {
		learn(theirs)
	}
	g := greeting{Revoked: map[string][2]any{}, Clock: c.Forward()}
	if known != nil {
		at := Float(time.Since(began).Seconds())
		for _, id := range known() {
			g.Revoked[id] = [2]any{at, id}
		}
	}
	return g, nil
}

// Mingle greets all nodes, as a worker does at its start, and returns what they have revoked. What this node has
// revoked goes with the greeting. The clock is adjusted by theirs. It takes the timeout in full, since nobody knows
// how many will answer. Nodes whose answers cannot be read are left out.
func Mingle(ctx context.Context, x brokers.Exchanger, r Request, node string, revoked []string) ([]string, error) {
	mine := map[string]any{}
	for _, id := range revoked {
		mine[id] = [2]any{Float(time.Since(began).Seconds()), id}
	}
	r.Method, r.Args, r.Cast = "hello", map[string]any{"from_node": node, "revoked": mine}, false
	replies, err := Send(ctx, x, r)
	if err != nil {
		return nil, fmt.Errorf("greet the other workers: %w", err)
	}
	var theirs ids
	for _, raw := range replies {
		var said struct {
			Revoked ids   `json:"revoked"`
			Clock   int64 `json:"clock"`
		}
		if json.Unmarshal(raw, &said) != nil {
			continue
		}
		if r.Clock != nil {
			r.Clock.Adjust(said.Clock)
		}
		theirs = append(theirs, said.Revoked...)
	}
	slices.Sort(theirs)
	return slices.Compact(theirs), nil
}
