// Package embedded is the lab of brokers that need nothing but this program, and Go: a server inside this process, a
// library over files that every worker opens itself, or a server that the machine's own Go makes. The last is started as
// lab process starts servers.
package embedded

import (
	"context"
	"errors"
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/port"
	"taskbench/harness/lab/process"
)

// Options of the lab; the zero value is good.
type Options struct {
	Register *leftovers.Register // where what is made is written down; nil is the default one
	Make     bool                // whether a server that Go can make, and has not yet, is one that there is: Start makes it
}

const name = "embedded"

// New returns the lab.
func New(o Options) lab.Lab {
	return embedded{o, process.Programs(name, process.Options{Register: o.Register, Make: o.Make})}
}

type embedded struct {
	Options
	programs lab.Lab // of what Go makes
}

func (embedded) Name() string { return name }

func within(d brokers.Driver) bool { return d.Server.Library || d.Server.Embedded != nil }

func (l embedded) Unfit(ctx context.Context, d brokers.Driver, v brokers.Variant) string {
	switch {
	case within(d):
		return lab.Single(l.Name(), v)
	case d.Server.Program != "":
		return l.programs.Unfit(ctx, d, v)
	}
	return "broker " + d.Name + " cannot be embedded: it needs a server, which labs docker and process start"
}

// Makes is as lab.Maker has it.
func (l embedded) Makes(ctx context.Context, d brokers.Driver) string {
	if maker, ok := l.programs.(lab.Maker); ok && !within(d) && d.Server.Program != "" {
		return maker.Makes(ctx, d)
	}
	return ""
}

func (l embedded) Start(ctx context.Context, r lab.Request) (lab.Node, error) {
	if !within(r.Driver) && r.Driver.Server.Program != "" {
		return l.programs.Start(ctx, r)
	}
	n, err := l.start(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("start embedded %s: %w", r.Driver.Name, err)
	}
	return n, nil
}

func (l embedded) start(ctx context.Context, r lab.Request) (*node, error) {
	if why := l.Unfit(ctx, r.Driver, r.Variant); why != "" {
		return nil, errors.New(why)
	}
	if r.Keep {
		return nil, errors.New("it ends with this process and cannot be kept up; use lab docker or process")
	}
	register := l.Register
	if register == nil {
		var err error
		if register, err = leftovers.Default(); err != nil {
			return nil, err
		}
	}
	dir, claim, err := register.MkdirTemp(r.Name, false)
	if err != nil {
		return nil, err
	}
	spec := r.Driver.Server
	n := &node{
		request: r, claim: claim, turn: lab.NewTurn(),
		launch: brokers.Launch{Variant: r.Variant, Dir: dir},
		info: lab.Info{
			Name: r.Name, Lab: l.Name(), Product: spec.Product, Shared: true, Settings: lab.Settings(r.Variant),
		},
	}
	if n.info.Product == "" {
		n.info.Product = r.Driver.Name
	}
	if err := n.begin(ctx); err != nil {
		return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
	}
	return n, nil
}

// begin finds the node an address and brings it up for the first time.
func (n *node) begin(ctx context.Context) error {
	spec, r := n.request.Driver.Server, n.request
	if spec.Library {
		n.info.URL = spec.URL(n.launch.Dir)
		version, err := lab.Await(ctx, spec, n.info.URL, r.Patience, nil)
		n.info.Version = version
		return err
	}
	n.launch.Host, n.launch.Port = "127.0.0.1", r.Port
	if r.Port == 0 {
		free, err := port.Free()
		if err != nil {
			return err
		}
		n.launch.Port = free
	}
	n.info.Addr = lab.Addr(n.launch.Port)
	n.info.URL = spec.URL(n.info.Addr)
	if err := n.meter.begin(); err != nil {
		return err
	}
	return n.bringUp(ctx)
}
