package leftovers

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// networks are those of clusters, which have to be empty by then.
var networks = stock{kind: Network, list: listNetworks, remove: removeNetwork}

func listNetworks(ctx context.Context, c *client.Client) ([]kept, error) {
	listed, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: owned()})
	if err != nil {
		return nil, err
	}
	var list []kept
	for _, found := range listed.Items {
		list = append(list, kept{found.ID, found.Name, found.Labels})
	}
	return list, nil
}

// removeNetwork is content where another sweep was first.
func removeNetwork(ctx context.Context, c *client.Client, id string) error {
	if _, err := c.NetworkRemove(ctx, id, client.NetworkRemoveOptions{}); !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}
