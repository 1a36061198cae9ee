// Package docker is the lab that runs brokers in containers of the machine's engine.
//
// Containers are made with github.com/testcontainers/testcontainers-go, which knows the engines that there are
// and brings Ryuk, its own sweeper, along. It has no way to kill, pause or follow a container over restarts;
// for those github.com/moby/moby/client is used, on which it stands itself.
package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/port"
)

// Options of the lab; the zero value is good.
type Options struct {
	Images   map[string]string   // by the name of the driver: the image to use instead of its own
	Memory   int64               // limit of each container in bytes; 0 is 2 GiB, negative is none
	Grace    time.Duration       // how long a server may take to stop in good order; 0 is 30 s
	Register *leftovers.Register // where what is started is written down; nil is the default one
}

// New returns the lab. It does not touch the engine yet.
func New(o Options) lab.Lab {
	if o.Memory == 0 {
		o.Memory = 2 << 30
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	return docker{o}
}

type docker struct{ Options }

func (docker) Name() string { return "docker" }

func (l docker) Unfit(ctx context.Context, d brokers.Driver, v brokers.Variant) string {
	if d.Server.Command == nil || len(l.images(d, v)) == 0 {
		return "broker " + d.Name + " has no server that runs in a container"
	}
	c, err := engine.Connect(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	if _, err := l.choose(ctx, c, d, v, engine.Known.Has); err != nil {
		return err.Error()
	}
	return ""
}

// choose returns the image that the variant is to run in. The error says what to do.
func (l docker) choose(ctx context.Context, c *client.Client, d brokers.Driver, v brokers.Variant, fetch fetcher) (image, error) {
	i, err := choose(ctx, c, l.images(d, v), fetch)
	switch {
	case err != nil && v.Images != nil:
		err = fmt.Errorf("variant %s is not in the images that are built here: %w; pull it, or name one that you have with --image %s=IMAGE", v.Name, err, d.Name)
	case err != nil:
		err = fmt.Errorf("%w; `bench images build` makes the local ones", err)
	}
	return i, err
}

// images are the candidates for a variant, best first.
func (l docker) images(d brokers.Driver, v brokers.Variant) []string {
	switch image := l.Images[d.Name]; {
	case image != "":
		return []string{image}
	case v.Images != nil:
		return v.Images
	}
	return d.Server.Images
}

// attempts is how often another port is tried when the one that was chosen has been taken meanwhile.
const attempts = 4

func (l docker) Start(ctx context.Context, r lab.Request) (lab.Node, error) {
	fail := func(err error) (lab.Node, error) {
		return nil, fmt.Errorf("start %s in a container: %w", r.Driver.Name, err)
	}
	if r.Driver.Server.Command == nil || len(l.images(r.Driver, r.Variant)) == 0 {
		return fail(errors.New(l.Unfit(ctx, r.Driver, r.Variant)))
	}
	if r.Port != 0 && r.Variant.Members > 1 {
		return fail(fmt.Errorf("it is %d servers, and one port was chosen: leave the port out", r.Variant.Members))
	}
	if r.Port != 0 && port.Taken(r.Port) { // the engine's own words for that name its innards
		return fail(fmt.Errorf("port %d on 127.0.0.1 is taken; stop what listens there, or choose another port", r.Port))
	}
	if l.Register == nil {
		var err error
		if l.Register, err = leftovers.Default(); err != nil {
			return fail(err)
		}
	}
	c, err := engine.Connect(ctx)
	if err != nil {
		return fail(err)
	}
	image, err := l.choose(ctx, c, r.Driver, r.Variant, engine.Known.Pull)
	if err != nil {
		return fail(errors.Join(err, c.Close()))
	}
	prepare(ctx, c)
	var n lab.Node
	if r.Variant.Members > 1 {
		n, err = l.startCluster(ctx, r, image)
		err = errors.Join(err, c.Close())
	} else if n, err = l.startOne(ctx, c, r, image, place{}); err != nil {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return fail(err)
	}
	return n, nil
}

// startOne starts one server, whose client is the node's to close unless there is an error.
func (l docker) startOne(ctx context.Context, c *client.Client, r lab.Request, i image, p place) (lab.Node, error) {
	for attempt := 1; ; attempt++ {
		limited := !unlimited.Load()
		n, err := l.start(ctx, c, r, i, p)
		if err == nil {
			return n, nil
		}
		if r.Port == 0 && attempt < attempts && taken(err) {
			continue
		}
		// Several starts at a time may learn it, each by its own failure.
		if limited && strings.Contains(err.Error(), "rlimit") {
			unlimited.Store(true)
			continue
		}
		return nil, err
	}
}

// taken tells whether the engine could not have the port. It says so in words alone.
func taken(err error) bool {
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

// start makes one attempt, and leaves nothing behind when it fails.
func (l docker) start(ctx context.Context, c *client.Client, r lab.Request, i image, p place) (*node, error) {
	at := r.Port
	if at == 0 {
		var err error
		if at, err = port.Free(); err != nil {
			return nil, err
		}
	}
	spec := r.Driver.Server
	settings := lab.Settings(r.Variant)
	if l.Memory > 0 {
		settings["container.memory"] = fmt.Sprintf("%dMiB", l.Memory>>20)
	}
	n := &node{
		request: r, lab: l, image: i, place: p, grace: l.Grace, engine: c, port: at, turn: lab.NewTurn(),
		info: lab.Info{
			Name: r.Name, Lab: l.Name(), Product: spec.Product, Image: i.String(),
			Addr: lab.Addr(at), URL: spec.URL(lab.Addr(at)), Settings: settings,
		},
	}
	if err := l.create(ctx, n, i); err != nil {
		return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
	}
	if err := n.bringUp(ctx); err != nil {
		return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
	}
	n.owned = true // until now the next attempt might have needed the client
	return n, nil
}
