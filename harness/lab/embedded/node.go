package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/proc"
)

type node struct {
	request lab.Request
	launch  brokers.Launch
	claim   *leftovers.Claim // of the directory
	turn    lab.Turn
	closed  bool // the turn's holder's

	mu     sync.Mutex
	info   lab.Info
	server brokers.Server // nil while it is down, and for a library
	meter  meter
}

func (n *node) Info() lab.Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.info
}

func (n *node) Can(a lab.Action) string {
	if n.request.Driver.Server.Library {
		return "a library inside each worker has no server to " + string(a) + ": hurt the worker instead"
	}
	switch a {
	case lab.Kill, lab.Stop, lab.Start, lab.Wipe:
		return ""
	case lab.Exhaust:
		return "an embedded server shares its memory with the harness: use lab docker"
	case lab.Pause, lab.Resume:
		return "an embedded server has no threads of its own that could be frozen: use lab docker or process"
	}
	return fmt.Sprintf("an embedded server cannot be %q", a)
}

func (n *node) Do(ctx context.Context, a lab.Action) error { return n.turn.Do(ctx, n, a, n.act) }

func (n *node) act(ctx context.Context, a lab.Action) error {
	up := n.up()
	switch {
	case n.closed:
		return errors.New("it has been closed")
	case a == lab.Start && up:
		return errors.New("it runs already")
	case a == lab.Start:
		return n.bringUp(ctx)
	case a == lab.Wipe && up:
		return errors.New("it runs: its data can be wiped when it is down")
	case a == lab.Wipe:
		return lab.Empty(n.launch.Dir)
	case !up:
		return errors.New("it does not run")
	}
	return n.down()
}

func (n *node) up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.server != nil
}

// bringUp starts the server and waits until it answers. On error it is down.
func (n *node) bringUp(ctx context.Context) error {
	server, err := n.request.Driver.Server.Embedded(ctx, n.launch)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.server = server
	n.mu.Unlock()
	version, err := lab.Await(ctx, n.request.Driver.Server, n.info.URL, n.request.Patience, nil)
	if err != nil {
		return errors.Join(err, n.down())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.info.Version = version
	return nil
}

func (n *node) down() error {
	n.mu.Lock()
	server := n.server
	n.server = nil
	n.mu.Unlock()
	return server.Close()
}

func (n *node) Stats(context.Context) (lab.Stats, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.request.Driver.Server.Library {
		return lab.Stats{}, fmt.Errorf("sample %s: a library uses what each worker uses", n.request.Name)
	}
	if n.server == nil {
		return lab.Stats{}, fmt.Errorf("sample %s: it does not run", n.request.Name)
	}
	return n.meter.sample(n.launch.Port)
}

func (n *node) Close(ctx context.Context) error {
	if err := n.turn.Take(ctx); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	defer n.turn.Give()
	if n.closed {
		return nil
	}
	n.closed = true
	var errs []error
	if n.up() {
		errs = append(errs, n.down())
	}
	if err := errors.Join(append(errs, os.RemoveAll(n.launch.Dir), n.claim.Release())...); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	return nil
}

// A meter samples this process.
type meter struct {
	before float64 // CPU seconds when the node was started
	conns  proc.ConnCounter
}

func (m *meter) begin() error {
	u, err := proc.Sum([]int{os.Getpid()})
	m.before = u.CPUSeconds
	return err
}

func (m *meter) sample(port int) (lab.Stats, error) {
	self := os.Getpid()
	u, err := proc.Sum([]int{self})
	if err != nil {
		return lab.Stats{}, fmt.Errorf("sample this process: %w", err)
	}
	return lab.Stats{CPUSeconds: u.CPUSeconds - m.before, RSS: u.RSS, FDs: u.FDs, Conns: m.conns.Count(self, port)}, nil
}
