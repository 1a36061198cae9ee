package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

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
	paused bool
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
	case lab.Kill, lab.Stop, lab.Start:
		return ""
	case lab.Pause, lab.Resume:
		if !n.Info().Shared {
			return ""
		}
		return "an embedded server has no threads of its own that could be frozen: use lab docker or process"
	}
	return fmt.Sprintf("an embedded server cannot be %q", a)
}

func (n *node) Do(ctx context.Context, a lab.Action) error { return n.turn.Do(ctx, n, a, n.act) }

func (n *node) act(ctx context.Context, a lab.Action) error {
	up, paused := n.up()
	switch {
	case n.closed:
		return errors.New("it has been closed")
	case a == lab.Start && up:
		return errors.New("it runs already")
	case a == lab.Start:
		return n.bringUp(ctx)
	case !up:
		return errors.New("it does not run")
	case a == lab.Resume && !paused:
		return errors.New("it is not paused")
	case paused && (a == lab.Pause || a == lab.Stop):
		return errors.New("it is paused")
	case a == lab.Pause, a == lab.Resume:
		return n.freeze(ctx, a == lab.Pause)
	}
	return n.down()
}

func (n *node) up() (up, paused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.server != nil, n.paused
}

// freeze stops all threads of a server that is a process, or lets them go on, and returns when that is seen.
func (n *node) freeze(ctx context.Context, stop bool) error {
	pid, signal := n.Info().PID, syscall.SIGCONT
	if stop {
		signal = syscall.SIGSTOP
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		p, err := proc.Read(pid)
		switch {
		case err != nil:
			return err
		case p.Gone():
			return fmt.Errorf("process %d is gone", pid)
		case (p.State == 'T') == stop:
			n.mu.Lock()
			defer n.mu.Unlock()
			n.paused = stop
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d did not follow: %w", pid, ctx.Err())
		}
	}
}

// bringUp starts the server and waits until it answers. On error it is down.
func (n *node) bringUp(ctx context.Context) error {
	server, err := n.request.Driver.Server.Embedded(ctx, n.launch)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.server, n.paused = server, false
	if own, ok := server.(brokers.Process); ok {
		n.info.PID, n.info.Shared = own.PID(), false
		n.meter = meter{before: n.meter.before, used: n.meter.used, pid: own.PID()}
	}
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
	n.server, n.paused = nil, false
	n.meter.end()
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
	if up, _ := n.up(); up {
		errs = append(errs, n.down())
	}
	if err := errors.Join(append(errs, os.RemoveAll(n.launch.Dir), n.claim.Release())...); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	return nil
}

// A meter samples this process, or that of the server.
type meter struct {
	before float64 // CPU seconds of this process when the node was started
	pid    int     // of a server that is a process; else 0
	used   float64 // CPU seconds of such servers that are gone
	conns  proc.ConnCounter
}

func (m *meter) begin() error {
	u, err := proc.Sum([]int{os.Getpid()})
	m.before = u.CPUSeconds
	return err
}

// end keeps what a server has used that is about to be gone.
func (m *meter) end() {
	if u, err := proc.Sum([]int{m.pid}); m.pid != 0 && err == nil {
		m.used += u.CPUSeconds
	}
}

func (m *meter) sample(port int) (lab.Stats, error) {
	pid, cpu := m.pid, m.used
	if pid == 0 {
		pid, cpu = os.Getpid(), -m.before
	}
	u, err := proc.Sum([]int{pid})
	if err != nil {
		return lab.Stats{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	return lab.Stats{CPUSeconds: u.CPUSeconds + cpu, RSS: u.RSS, FDs: u.FDs, Conns: m.conns.Count(pid, port)}, nil
}
