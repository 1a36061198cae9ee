// Package images builds the container images that labs fall back on where no registry can be reached: each
// Dockerfile of ci/images, on a Debian base that is pulled or, failing that, bootstrapped with mmdebstrap.
package images

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
)

// Base is the image that the others stand on; Upstream is what it is made from where that can be pulled.
const (
	Base     = prefix + "base:1"
	Upstream = "debian:bookworm-slim"
)

// prefix begins the tags of all that are built.
const prefix = "taskbench/"

// Local tells whether an image of that tag is built, and not pulled.
func Local(tag string) bool { return strings.HasPrefix(tag, prefix) }

// contentLabel carries the hash of all that an image was made from.
const contentLabel = "taskbench.content"

// An Image is one that can be built, and what the engine has of it.
type Image struct {
	Name     string        // "redis", as in redis.Dockerfile
	Tag      string        // "taskbench/redis:1"
	ID       string        // "" when it has not been built
	Size     int64         // bytes
	Created  time.Time     // when it was built
	Fresh    bool          // it is made from the recipe as it is now
	Took     time.Duration // what Build took to make it; 0 when it was fresh already
	Optional string        // why it may be one that cannot be built today; "" where that is a failure
}

// List tells what can be built and which of it the engine has: the base first, the others by name.
// It builds and pulls nothing.
func List(ctx context.Context) ([]Image, error) {
	c, err := engine.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	defer func() { _ = c.Close() }()

	base, err := look(ctx, c, Image{Name: "base", Tag: Base}, nil)
	if err != nil {
		return nil, err
	}
	recipes, err := read(nil)
	if err != nil {
		return nil, err
	}
	all := []Image{base}
	for _, r := range recipes {
		i, err := look(ctx, c, r.image(), func() string { return r.content(base.ID) })
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// look fills in what the engine has of an image. It is fresh when its label is what want returns; with a nil
// want it is fresh when it is there.
func look(ctx context.Context, c client.ImageAPIClient, i Image, want func() string) (Image, error) {
	found, err := c.ImageInspect(ctx, i.Tag)
	if errdefs.IsNotFound(err) {
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("inspect image %s: %w", i.Tag, err)
	}
	i.ID, i.Size = found.ID, found.Size
	i.Created, _ = time.Parse(time.RFC3339Nano, found.Created)
	i.Fresh = want == nil || (found.Config != nil && found.Config.Labels[contentLabel] == want())
	return i, nil
}
