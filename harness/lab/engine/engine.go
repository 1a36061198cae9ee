// Package engine reaches the machine's container engine.
//
// It talks through github.com/moby/moby/client, the client that testcontainers-go itself stands on: labs need
// the engine's kill, pause, log and stats calls, which testcontainers-go does not offer.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"
)

// Patience is how long Connect waits for the engine's answer.
const Patience = 2 * time.Second

// ErrAbsent is wrapped by the error of Connect when no engine answers.
var ErrAbsent = errors.New("no container engine answers")

// Connect returns a client of the engine that answers: at DOCKER_HOST where that is set, else at the system's
// socket, else at the user's own. It gives up after Patience. The caller closes the client.
func Connect(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	host := Host()
	c, err := client.New(client.FromEnv, client.WithHost(host))
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no engine address: %w", ErrAbsent, host, err)
	}
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%w at %s (`make engine` installs and starts one): %w", ErrAbsent, host, err)
	}
	return c, nil
}

// Host is the engine address that Connect uses.
func Host() string {
	if h := os.Getenv(client.EnvOverrideHost); h != "" {
		return h
	}
	candidates := []string{"/var/run/docker.sock"}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		candidates = append(candidates, filepath.Join(d, "docker.sock"))
	}
	if h, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(h, ".docker/run/docker.sock"), filepath.Join(h, ".docker/desktop/docker.sock"))
	}
	for _, path := range candidates {
		if i, err := os.Stat(path); err == nil && i.Mode()&os.ModeSocket != 0 {
			return "unix://" + path
		}
	}
	return "unix://" + candidates[0]
}
