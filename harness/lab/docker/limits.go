package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab"
)

// Throttle implements lab.Throttle by the kernel's quota.
func (n *node) Throttle(ctx context.Context, cores float64) error {
	const period = 100_000 // microseconds, the kernel's own
	quota := int64(-1)
	if cores > 0 {
		quota = max(1000, int64(cores*period)) // the kernel takes no less
	}
	return n.limit(ctx, &container.Resources{CPUPeriod: period, CPUQuota: quota})
}

// limit changes what the container may use; what is not said stays.
func (n *node) limit(ctx context.Context, r *container.Resources) error {
	if err := n.turn.Take(ctx); err != nil {
		return fmt.Errorf("limit %s: %w", n.request.Name, err)
	}
	defer n.turn.Give()
	if n.closed {
		return fmt.Errorf("limit %s: it has been closed", n.request.Name)
	}
	if _, err := n.engine.ContainerUpdate(ctx, n.id, client.ContainerUpdateOptions{Resources: r}); err != nil {
		return fmt.Errorf("limit %s: %w", n.request.Name, err)
	}
	return nil
}

const (
	leastMemory    = 6 << 20 // below it the engine takes no limit
	mostMemory     = 1 << 40 // an engine that refuses this, too, does so for another reason
	exhaustWithin  = 20 * time.Second
	exhaustClients = 2000
)

// exhaust lowers the limit of memory to what is in use, and to less where the kernel lets it, and opens connections, for
// which the server needs memory, until the kernel has killed it. The limit is given back in any case.
func (n *node) exhaust(ctx context.Context) (err error) {
	defer func() {
		restored := context.WithoutCancel(ctx)
		_, failed := n.engine.ContainerUpdate(restored, n.id, client.ContainerUpdateOptions{Resources: memory(n.lab.Memory)})
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("give its memory back: %w", failed))
		}
	}()
	n.reckon()
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	tight, cancel := context.WithTimeout(ctx, exhaustWithin)
	defer cancel()
	var clients []net.Conn
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit, squeezed := int64(leastMemory), false; ; {
		if !squeezed {
			// The kernel refuses to go below what it cannot take back: then as low as it does go.
			_, err := n.engine.ContainerUpdate(tight, n.id, client.ContainerUpdateOptions{Resources: memory(limit)})
			if squeezed = err == nil; !squeezed {
				if limit += limit / 8; limit > mostMemory {
					return fmt.Errorf("limit its memory: %w", err)
				}
			}
		} else if len(clients) < exhaustClients {
			if c, err := net.DialTimeout("tcp", lab.Addr(n.port), time.Second); err == nil {
				clients = append(clients, c)
			}
		}
		select {
		case <-l.gone:
			s, err := n.state(ctx)
			if err != nil {
				return err
			}
			if !s.OOMKilled {
				return fmt.Errorf("it ended, and not for want of memory (%s)", ending(s))
			}
			return n.end(ctx)
		case <-tick.C:
		case <-tight.Done():
			return fmt.Errorf("it lives on with %d MiB of memory and %d more clients: %w", limit>>20, len(clients), tight.Err())
		}
	}
}

// memory is a limit without any swapping beyond it.
func memory(bytes int64) *container.Resources {
	if bytes <= 0 {
		bytes = -1
	}
	return &container.Resources{Memory: bytes, MemorySwap: bytes}
}

// Run implements lab.Insider.
func (n *node) Run(ctx context.Context, args ...string) (string, error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("run %s in %s: %w", args[0], n.request.Name, err)
	}
	made, err := n.engine.ExecCreate(ctx, n.id, client.ExecCreateOptions{Cmd: args, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return fail(err)
	}
	stream, err := n.engine.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return fail(err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream.Reader); err != nil && !errors.Is(err, io.EOF) {
		return fail(errors.Join(err, ctx.Err()))
	}
	ended, err := n.engine.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	switch {
	case err != nil:
		return fail(err)
	case ended.ExitCode != 0:
		return fail(fmt.Errorf("exit status %d: %s", ended.ExitCode, strings.TrimSpace(out.String())))
	}
	return out.String(), nil
}
