package docker

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"taskbench/brokers"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/leftovers"
)

var prepared sync.Once

// prepare settles what testcontainers-go would otherwise guess or print; it reads these variables once.
func prepare(ctx context.Context, c *client.Client) {
	prepared.Do(func() {
		log.SetDefault(log.NewNoopLogger())
		setDefault := func(name, value string) {
			if _, set := os.LookupEnv(name); !set {
				_ = os.Setenv(name, value)
			}
		}
		// Where this machine looks like a container it would take the gateway for the host.
		if _, err := os.Stat("/.dockerenv"); err == nil {
			setDefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
		}
		// Ryuk sweeps faster than the next run does, but fetching it must not keep a run from starting.
		//nolint:staticcheck // deprecated, and the value that replaces it is an internal one
		if i, err := local(ctx, c, testcontainers.ReaperDefaultImage); err != nil || i.id == "" {
			setDefault("TESTCONTAINERS_RYUK_DISABLED", "true")
		}
		setDefault(client.EnvOverrideHost, engine.Host())
	})
}

// recorded is how the engine keeps what the container prints: in files that can be read, as the default of an engine may not
// be, and no more than fits into two. A logFile has the whole: they are large, since who follows misses a file only when as
// much as it holds waits unread.
var recorded = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "64m", "max-file": "2"}}

// unlimited is set once the engine has turned out not to be allowed to set a limit on open files.
var unlimited atomic.Bool

var serial atomic.Int64

// create makes the container and does not start it.
func (l docker) create(ctx context.Context, n *node, i image) error {
	spec, r, owner := n.request.Driver.Server, n.request, l.Register.Owner()
	launch := brokers.Launch{Variant: r.Variant, Dir: spec.Data, Host: "0.0.0.0", Port: spec.Port, Container: true}
	if n.place.cluster != nil {
		launch.Name, launch.Peers, launch.Secret = n.place.name, n.place.peers, n.place.secret
	}
	command := spec.Command(launch)

	name := fmt.Sprintf("taskbench-%s-%d-%d-%d", r.Name, owner.PID, owner.Start, serial.Add(1))
	claim, err := l.Register.Claim(leftovers.Thing{Kind: leftovers.Container, Name: name, Keep: r.Keep})
	if err != nil {
		return err
	}
	n.claim = claim

	env := make(map[string]string, len(command.Env))
	for _, entry := range command.Env {
		k, v, _ := strings.Cut(entry, "=")
		env[k] = v
	}
	files := make([]testcontainers.ContainerFile, 0, len(command.Files))
	for file, text := range command.Files {
		files = append(files, testcontainers.ContainerFile{
			Reader: io.Reader(strings.NewReader(text)), ContainerFilePath: path.Join(spec.Data, file), FileMode: 0o644,
		})
	}
	port := strconv.Itoa(spec.Port) + "/tcp"
	request := testcontainers.ContainerRequest{
		Image: i.name, Name: name, Cmd: command.Args, Env: env, Files: files,
		Labels:       owner.Labels(r.Keep),
		ExposedPorts: []string{port},
		ConfigModifier: func(c *container.Config) {
			if spec.Data != "" {
				c.Volumes = map[string]struct{}{spec.Data: {}} // nameless: it goes with the container
			}
			if r.Keep { // or Ryuk would sweep it when this process ends
				for label := range testcontainers.GenericLabels() {
					delete(c.Labels, label)
				}
			}
		},
		HostConfigModifier: func(h *container.HostConfig) {
			h.PortBindings = network.PortMap{network.MustParsePort(port): {{
				HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(n.port),
			}}}
			h.LogConfig = recorded
			// Some servers size their tables by the limit, which by default can be a thousand million.
			if !unlimited.Load() {
				h.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 65536, Hard: 65536}}
			}
			if l.Memory > 0 {
				h.Memory, h.MemorySwap = l.Memory, l.Memory
			}
		},
	}
	made, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{ContainerRequest: request})
	if c, ok := made.(*testcontainers.DockerContainer); ok && c != nil { // there may be one beside an error
		n.id = c.GetContainerID()
	}
	if err == nil && n.place.cluster != nil {
		err = n.place.join(ctx, n.id)
	}
	return err
}
