package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// An image is one that the engine has.
type image struct{ name, id string }

func (i image) String() string {
	_, digest, _ := strings.Cut(i.id, ":")
	return fmt.Sprintf("%s (%s)", i.name, digest[:min(12, len(digest))])
}

// A fetcher has the engine have an image, or only asks whether it could.
type fetcher func(ctx context.Context, c *client.Client, name string) error

// choose returns the first image that the engine has or fetch brings. A fetch that only asks whether the image
// could be had leaves the id empty. The error names all that was tried.
func choose(ctx context.Context, c *client.Client, names []string, fetch fetcher) (image, error) {
	var tried []string
	for _, name := range names {
		i, err := local(ctx, c, name)
		if err == nil && i.id == "" {
			if err = fetch(ctx, c, name); err == nil {
				return local(ctx, c, name)
			}
		}
		if err == nil {
			return i, nil
		}
		if ctx.Err() != nil {
			return image{}, ctx.Err()
		}
		tried = append(tried, fmt.Sprintf("%s (%v)", name, err))
	}
	return image{}, fmt.Errorf("no image can be had; tried %s", strings.Join(tried, ", "))
}

// local looks the image up in the engine; without an id it is not there.
func local(ctx context.Context, c *client.Client, name string) (image, error) {
	found, err := c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return image{name: name}, nil
	}
	return image{name, found.ID}, err
}
