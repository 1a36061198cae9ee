// Package process is the lab that runs brokers as processes of this machine, from server binaries on PATH or from programs
// that the machine's own Go made: each in a directory, a process group and at a port of its own.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/port"
)

// Options of the lab; the zero value is good.
type Options struct {
	Register *leftovers.Register // where what is started is written down; nil is the default one
	Grace    time.Duration       // how long a server may take to stop in good order; 0 is 30 s
	Make     bool                // whether a server that Go can make, and has not yet, is one that there is: Start makes it
}

var _ lab.Maker = processes{}

// New returns the lab.
func New(o Options) lab.Lab { return newProcesses("process", o) }

// Programs returns the lab under another name, with nothing but what Go made.
func Programs(name string, o Options) lab.Lab {
	l := newProcesses(name, o)
	l.alone = true
	return l
}

func newProcesses(name string, o Options) processes {
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	return processes{Options: o, name: name}
}

type processes struct {
	Options
	name  string
	alone bool // nothing on PATH is looked for
}

func (l processes) Name() string { return l.name }

func (l processes) Unfit(ctx context.Context, d brokers.Driver, v brokers.Variant) string {
	if d.Server.Command == nil || len(d.Server.Binaries) == 0 {
		return "broker " + d.Name + " has no server that runs as a process"
	}
	if why := lab.Single(l.Name(), v); why != "" {
		return why
	}
	return l.find(ctx, d.Server).lacks
}

// attempts is how often another port is tried when the one that was chosen has been taken meanwhile.
const attempts = 4

func (l processes) Start(ctx context.Context, r lab.Request) (lab.Node, error) {
	if why := l.Unfit(ctx, r.Driver, r.Variant); why != "" {
		return nil, fmt.Errorf("start %s as a process: %s", r.Driver.Name, why)
	}
	if r.Port != 0 && port.Taken(r.Port) {
		return nil, fmt.Errorf("start %s as a process: port %d on 127.0.0.1 is taken; stop what listens there, or choose another port", r.Driver.Name, r.Port)
	}
	register := l.Register
	if register == nil {
		var err error
		if register, err = leftovers.Default(); err != nil {
			return nil, fmt.Errorf("start %s as a process: %w", r.Driver.Name, err)
		}
	}
	binary, err := l.binary(ctx, r.Driver.Server, register)
	if err != nil {
		return nil, fmt.Errorf("start %s as a process: %w", r.Driver.Name, err)
	}
	for attempt := 1; ; attempt++ {
		n, err := l.start(ctx, r, register, binary)
		if err == nil {
			return n, nil
		}
		if r.Port == 0 && attempt < attempts && errors.Is(err, lab.ErrEnded) && errors.Is(err, errTaken) {
			continue
		}
		return nil, fmt.Errorf("start %s as a process: %w", r.Driver.Name, err)
	}
}

var errTaken = errors.New("its port is taken")

// start makes one attempt, and leaves nothing behind when it fails.
func (l processes) start(ctx context.Context, r lab.Request, register *leftovers.Register, binary string) (*node, error) {
	at := r.Port
	if at == 0 {
		var err error
		if at, err = port.Free(); err != nil {
			return nil, err
		}
	}
	dir, claim, err := register.MkdirTemp(r.Name, r.Keep)
	if err != nil {
		return nil, err
	}
	n := &node{
		request: r, binary: binary, grace: l.Grace, register: register, turn: lab.NewTurn(), claim: claim,
		launch: brokers.Launch{Variant: r.Variant, Dir: dir, Host: "127.0.0.1", Port: at},
		mark:   filepath.Base(dir),
	}
	if r.Disk > 0 {
		if err := mount(dir, r.Disk); err != nil {
			n.request.Disk = 0
			return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
		}
	}
	spec := r.Driver.Server
	n.info = lab.Info{
		Name: r.Name, Lab: l.Name(), Product: spec.Product, Addr: lab.Addr(at), URL: spec.URL(lab.Addr(at)),
		Settings: lab.Settings(r.Variant),
	}
	if err := n.bringUp(ctx); err != nil {
		if port.Taken(at) {
			err = fmt.Errorf("%w: %w", errTaken, err)
		}
		return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
	}
	return n, nil
}

// command is the server's command line, with its configuration written.
func (n *node) command() (*exec.Cmd, error) {
	spec := n.request.Driver.Server
	c := spec.Command(n.launch)
	if len(c.Args) == 0 {
		return nil, fmt.Errorf("broker %s gives no command", n.request.Driver.Name)
	}
	for name, text := range c.Files {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("write configuration %s: it lies outside the server's directory", name)
		}
		path := filepath.Join(n.launch.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
	}
	binary := n.binary
	if binary == "" {
		binary = brokers.Binary(c.Args[0])
	}
	for _, names := range spec.Binaries { // the same server may have another name here
		if binary == "" && slices.Contains(strings.Split(names, "|"), c.Args[0]) {
			binary = brokers.Binary(names)
		}
	}
	if binary == "" {
		return nil, fmt.Errorf("%s is not on PATH", c.Args[0])
	}
	cmd := exec.Command(binary, c.Args[1:]...)
	cmd.Dir = n.launch.Dir
	cmd.Env = slices.Concat(os.Environ(), n.register.Owner().Env(n.request.Keep), []string{envNode + "=" + n.mark}, c.Env)
	return cmd, nil
}

// envNode marks whatever a node starts, so that Close finds also what left its process group, like a daemon that
// the server started for itself.
const envNode = "TASKBENCH_NODE"
