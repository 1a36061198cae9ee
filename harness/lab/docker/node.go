package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
)

type node struct {
	request lab.Request
	lab     docker // that made it
	image   image
	place   place
	grace   time.Duration
	engine  *client.Client
	owned   bool   // the client is this node's to close
	id      string // "" when it was not made
	port    int    // on this machine
	claim   *leftovers.Claim
	turn    lab.Turn
	closed  bool // the turn's holder's
	log     logFile

	mu    sync.Mutex // below; never held for long, so that Stats need not wait for an action
	info  lab.Info
	life  *life // nil before the first start
	meter meter
}

func (n *node) Info() lab.Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.info
}

func (n *node) Can(a lab.Action) string {
	switch a {
	case lab.Kill, lab.Stop, lab.Start, lab.Pause, lab.Resume, lab.Wipe, lab.Exhaust:
		return ""
	case lab.Isolate, lab.Rejoin:
		if n.place.cluster != nil {
			return ""
		}
		return "it stands alone: there is nobody to be cut off from"
	}
	return fmt.Sprintf("a container cannot be %q", a)
}

func (n *node) Do(ctx context.Context, a lab.Action) error { return n.turn.Do(ctx, n, a, n.act) }

func (n *node) act(ctx context.Context, a lab.Action) error {
	if n.closed {
		return errors.New("it has been closed")
	}
	s, err := n.state(ctx)
	if err != nil {
		return err
	}
	switch {
	case a == lab.Start && s.Running:
		return errors.New("it runs already")
	case a == lab.Wipe && s.Running:
		return errors.New("it runs: its data can be wiped when it is down")
	case a != lab.Start && a != lab.Wipe && !s.Running:
		return fmt.Errorf("it does not run (%s)", ending(s))
	case a == lab.Resume && !s.Paused:
		return errors.New("it is not paused")
	case (a == lab.Pause || a == lab.Stop || a == lab.Exhaust) && s.Paused:
		return errors.New("it is paused")
	}
	switch a {
	case lab.Start:
		return n.bringUp(ctx)
	case lab.Kill:
		return n.kill(ctx)
	case lab.Stop:
		return n.stop(ctx)
	case lab.Wipe:
		return n.wipe(ctx)
	case lab.Exhaust:
		return n.exhaust(ctx)
	case lab.Isolate:
		return n.isolate(ctx)
	case lab.Rejoin:
		return n.rejoin(ctx)
	case lab.Pause:
		if _, err := n.engine.ContainerPause(ctx, n.id, client.ContainerPauseOptions{}); err != nil {
			return err
		}
		return n.see(ctx, func(s container.State) bool { return s.Paused })
	case lab.Resume:
		if _, err := n.engine.ContainerUnpause(ctx, n.id, client.ContainerUnpauseOptions{}); err != nil {
			return err
		}
		return n.see(ctx, func(s container.State) bool { return !s.Paused })
	}
	return nil
}

// state asks the engine: the server may have ended by itself.
func (n *node) state(ctx context.Context) (container.State, error) {
	i, err := n.engine.ContainerInspect(ctx, n.id, client.ContainerInspectOptions{})
	if err != nil {
		return container.State{}, fmt.Errorf("inspect the container: %w", err)
	}
	if i.Container.State == nil {
		return container.State{}, errors.New("inspect the container: the engine tells no state")
	}
	return *i.Container.State, nil
}

// see waits until the engine reports the state.
func (n *node) see(ctx context.Context, is func(container.State) bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := n.state(ctx)
		if err != nil || is(s) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ending says in words how a container ended.
func ending(s container.State) string {
	switch {
	case s.OOMKilled:
		return "it was killed for want of memory"
	case s.Error != "":
		return s.Error
	default:
		return fmt.Sprintf("exit status %d", s.ExitCode)
	}
}

func (n *node) kill(ctx context.Context) error {
	n.reckon()
	if _, err := n.engine.ContainerKill(ctx, n.id, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		return err
	}
	return n.end(ctx)
}

func (n *node) stop(ctx context.Context) error {
	n.reckon()
	seconds := int(n.grace.Seconds())
	if _, err := n.engine.ContainerStop(ctx, n.id, client.ContainerStopOptions{Timeout: &seconds}); err != nil {
		return err
	}
	if err := n.end(ctx); err != nil {
		return err
	}
	s, err := n.state(ctx)
	if err != nil {
		return fmt.Errorf("find out whether it stopped by itself: %w", err)
	}
	const killed = 128 + 9
	if s.ExitCode == killed {
		return fmt.Errorf("it did not stop within %v and was killed", n.grace)
	}
	return nil
}

func (n *node) Close(ctx context.Context) error {
	if err := n.turn.Take(ctx); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	defer n.turn.Give()
	if n.closed {
		return nil
	}
	if err := n.remove(ctx); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	n.closed = true
	var errs []error
	if n.claim != nil {
		errs = append(errs, n.claim.Release())
	}
	if n.owned {
		errs = append(errs, n.engine.Close())
	}
	return errors.Join(errs...)
}

// wipe makes the container anew: its volume cannot be reached while it is down.
func (n *node) wipe(ctx context.Context) error {
	if err := n.remove(ctx); err != nil {
		return err
	}
	n.id, n.log = "", logFile{}
	if err := n.claim.Release(); err != nil {
		return err
	}
	return n.lab.create(ctx, n, n.image)
}

// remove takes the container and its volume away, by force, so that neither a paused nor a stubborn server can
// stand in the way.
func (n *node) remove(ctx context.Context) error {
	if n.id == "" {
		return nil
	}
	_, err := n.engine.ContainerRemove(ctx, n.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	if l != nil {
		l.finish()
	}
	return n.log.close()
}
