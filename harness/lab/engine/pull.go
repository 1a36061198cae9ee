package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// RegistryPatience is how long a registry may take to say whether it has an image; the download itself may
// take as long as the context allows.
const RegistryPatience = 8 * time.Second

// ErrNoRegistry is wrapped by the error of Pull when the registry could not be reached.
var ErrNoRegistry = errors.New("registry cannot be reached")

// Registries remembers what was learnt about registries. It is safe for concurrent use; its zero value knows
// nothing yet.
type Registries struct {
	mu      sync.Mutex
	silent  map[string]error // by registry name: why it could not be reached
	waiting sync.Mutex       // one question at a time, so that a dead registry is waited for once
}

// Known is what this process has learnt.
var Known Registries

// Pull downloads the image, unless its registry could not be reached earlier: then it fails at once with what
// happened then. An image that the registry does not have is an error that says so.
func (r *Registries) Pull(ctx context.Context, c *client.Client, image string) error {
	name := registry(image)
	r.waiting.Lock()
	if err := r.reason(name); err != nil {
		r.waiting.Unlock()
		return err
	}
	resp, err := r.ask(ctx, c, image)
	err = r.judge(ctx, name, err)
	r.waiting.Unlock()
	if err != nil {
		return err
	}
	if err := resp.Wait(ctx); err != nil {
		return fmt.Errorf("pull %s: %w", image, err)
	}
	return nil
}

// Has tells whether the image's registry has it, without downloading anything. The error is as that of Pull.
func (r *Registries) Has(ctx context.Context, c *client.Client, image string) error {
	name := registry(image)
	r.waiting.Lock()
	defer r.waiting.Unlock()
	if err := r.reason(name); err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(ctx, RegistryPatience)
	defer cancel()
	_, err := c.DistributionInspect(asked, image, client.DistributionInspectOptions{})
	return r.judge(ctx, name, err)
}

// judge remembers that a registry did not answer, unless it was ctx that ended the question.
func (r *Registries) judge(ctx context.Context, name string, err error) error {
	if err == nil || ctx.Err() != nil || errdefs.IsNotFound(err) || errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err) {
		return err
	}
	err = fmt.Errorf("%s: %w: %w", name, ErrNoRegistry, err)
	r.remember(name, err)
	return err
}

// ask starts the pull and returns once the registry has answered.
func (r *Registries) ask(ctx context.Context, c *client.Client, image string) (client.ImagePullResponse, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(RegistryPatience, func() {
		cancel(fmt.Errorf("no answer within %v", RegistryPatience))
	})
	resp, err := c.ImagePull(ctx, image, client.ImagePullOptions{})
	if !timer.Stop() && err == nil {
		_ = resp.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	return pull{resp, cancel}, nil
}

func (r *Registries) reason(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.silent[name]
}

func (r *Registries) remember(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent == nil {
		r.silent = make(map[string]error)
	}
	r.silent[name] = err
}

// pull ends its context with the download.
type pull struct {
	client.ImagePullResponse
	cancel context.CancelCauseFunc
}

func (p pull) Wait(ctx context.Context) error {
	defer p.cancel(nil)
	return p.ImagePullResponse.Wait(ctx)
}

// registry is the name of the registry that an image reference points to.
func registry(image string) string {
	first, _, more := strings.Cut(image, "/")
	if more && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return "docker.io"
}
