package leftovers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

// containers removes those that carry a dead owner's labels, with their volumes. Where no engine answers there
// is nothing to say, unless something was recorded that only an engine can remove.
func (s *sweep) containers(ctx context.Context, records []record) {
	var claimed []record
	for _, rec := range records {
		if rec.Thing.Kind == Container && rec.Owner.gone(s.owner) {
			claimed = append(claimed, rec)
		}
	}
	listed, c, err := labelled(ctx)
	if err != nil {
		for _, rec := range claimed {
			if i := (Item{Kind: Container, Name: rec.Thing.Name, Owner: rec.Owner}); s.due(i, rec.Thing.Keep) {
				s.done(i, err)
			}
		}
		if !errors.Is(err, engine.ErrAbsent) {
			s.done(Item{Kind: Container, Name: "list", Owner: s.owner}, err)
		}
		return
	}
	defer func() { _ = c.Close() }()

	left := make(map[string]bool) // names of containers that stay
	for _, found := range listed {
		owner, keep := fromLabels(found.Labels)
		i := Item{Kind: Container, Name: name(found), Owner: owner}
		if !s.due(i, keep) {
			left[i.Name] = true
			continue
		}
		err := remove(ctx, c, found.ID)
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

// remove returns once the container is not there, whoever removed it: another sweep may have been first.
func remove(ctx context.Context, c *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case errdefs.IsNotFound(err):
			return nil
		case !errdefs.IsConflict(err):
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// labelled lists the containers that carry an owner, running or not.
func labelled(ctx context.Context) ([]container.Summary, *client.Client, error) {
	c, err := engine.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := c.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelPID),
	})
	if err != nil {
		_ = c.Close()
		return nil, nil, fmt.Errorf("list containers: %w", err)
	}
	return list.Items, c, nil
}

// name is the container's own, or the start of its id.
func name(c container.Summary) string {
	if len(c.Names) > 0 && len(c.Names[0]) > 1 {
		return c.Names[0][1:]
	}
	return c.ID[:min(12, len(c.ID))]
}
