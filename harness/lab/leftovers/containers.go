package leftovers

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// containers are removed with their volumes, running or not.
var containers = stock{kind: Container, list: listContainers, remove: removeContainer}

func listContainers(ctx context.Context, c *client.Client) ([]kept, error) {
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: owned()})
	if err != nil {
		return nil, err
	}
	var list []kept
	for _, found := range listed.Items {
		list = append(list, kept{found.ID, name(found), found.Labels})
	}
	return list, nil
}

// removeContainer returns once the container is not there, whoever removed it: another sweep may have been first.
func removeContainer(ctx context.Context, c *client.Client, id string) error {
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

// name is the container's own, or the start of its id.
func name(c container.Summary) string {
	if len(c.Names) > 0 && len(c.Names[0]) > 1 {
		return c.Names[0][1:]
	}
	return c.ID[:min(12, len(c.ID))]
}
