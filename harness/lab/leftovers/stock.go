package leftovers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

// A stock is one kind of things that a container engine keeps.
type stock struct {
	kind   Kind
	list   func(context.Context, *client.Client) ([]kept, error) // those that carry an owner
	remove func(ctx context.Context, c *client.Client, id string) error
}

// A kept thing is one in an engine.
type kept struct {
	id, name string
	labels   map[string]string
}

// owned is what a list of an engine is to be reduced to.
func owned() client.Filters { return client.Filters{}.Add("label", labelPID) }

// engine removes what carries a dead owner's labels. Where no engine answers there is nothing to say, unless something was
// recorded that only an engine can remove.
func (s *sweep) engine(ctx context.Context, k stock, records []record) {
	var claimed []record
	recorded := make(map[string]bool) // in this state directory, whatever their labels say
	for _, rec := range records {
		if rec.Thing.Kind == k.kind && rec.Owner.gone(s.owner) {
			claimed = append(claimed, rec)
			recorded[rec.Thing.Name] = true
		}
	}
	var listed []kept
	c, err := engine.Connect(ctx)
	if err == nil {
		defer func() { _ = c.Close() }()
		listed, err = k.settled(ctx, c, claimed)
	}
	if err != nil {
		for _, rec := range claimed {
			if i := (Item{Kind: k.kind, Name: rec.Thing.Name, Owner: rec.Owner}); s.due(i, rec.Thing.Keep) {
				s.done(i, err)
			}
		}
		if !errors.Is(err, engine.ErrAbsent) {
			s.done(Item{Kind: k.kind, Name: "list", Owner: s.owner}, err)
		}
		return
	}
	left := make(map[string]bool) // names of those that stay
	for _, found := range listed {
		owner, keep := fromLabels(found.labels)
		if recorded[found.name] {
			owner.State = s.owner.State
		}
		i := Item{Kind: k.kind, Name: found.name, Owner: owner}
		if !s.due(i, keep) {
			left[i.Name] = true
			continue
		}
		err := k.remove(ctx, c, found.id)
		if s.done(i, err); err != nil {
			left[i.Name] = true
		}
	}
	for _, rec := range claimed {
		if !left[rec.Thing.Name] {
			_ = os.Remove(rec.path)
		}
	}
}

// making is how long after its claim an engine may still be making a thing, though who asked for it is gone.
const making = 5 * time.Second

// settled lists what the engine has once it has all that was claimed, or would have by now. Claims from the future, where the
// clock went back, hold nobody up for longer.
func (k stock) settled(ctx context.Context, c *client.Client, claimed []record) ([]kept, error) {
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		listed, err := k.list(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", k.kind, err)
		}
		coming := func(r record) bool {
			return time.Since(r.at) < making && time.Since(began) < making && !slices.ContainsFunc(listed, func(l kept) bool { return l.name == r.Thing.Name })
		}
		if !slices.ContainsFunc(claimed, coming) {
			return listed, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return listed, nil // what has come can be removed still, or is said to have failed
		}
	}
}
