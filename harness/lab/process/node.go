package process

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
	request  lab.Request
	binary   string // the server's, where it is not to be looked for
	launch   brokers.Launch
	grace    time.Duration
	register *leftovers.Register
	claim    *leftovers.Claim // of the directory
	mark     string
	turn     lab.Turn
	closed   bool // the turn's holder's

	mu     sync.Mutex // below; never held for long, so that Stats need not wait for an action
	info   lab.Info
	life   *life // nil before the first start
	paused bool
	meter  meter
}

func (n *node) Info() lab.Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.info
}

func (n *node) Can(a lab.Action) string {
	switch a {
	case lab.Kill, lab.Stop, lab.Start, lab.Pause, lab.Resume, lab.Wipe:
		return ""
	case lab.Fill, lab.Free:
		if n.request.Disk > 0 {
			return ""
		}
		return "it has no disk of its own"
	case lab.Exhaust:
		return "a process has no limit of memory of its own: use lab docker"
	}
	return fmt.Sprintf("a process cannot be %q", a)
}

// now is the present life, nil when there is none, and whether it is paused.
func (n *node) now() (*life, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || n.life.over() {
		return nil, false
	}
	return n.life, n.paused
}

func (n *node) Do(ctx context.Context, a lab.Action) error { return n.turn.Do(ctx, n, a, n.act) }

func (n *node) act(ctx context.Context, a lab.Action) error {
	l, paused := n.now()
	switch {
	case n.closed:
		return errors.New("it has been closed")
	case a == lab.Start && l != nil:
		return errors.New("it runs already")
	case a == lab.Wipe && l != nil:
		return errors.New("it runs: its data can be wiped when it is down")
	case a != lab.Start && a != lab.Wipe && a != lab.Free && l == nil:
		return errors.New("it does not run")
	case a == lab.Resume && !paused:
		return errors.New("it is not paused")
	case (a == lab.Pause || a == lab.Stop) && paused:
		return errors.New("it is paused")
	}
	switch a {
	case lab.Start:
		return n.bringUp(ctx)
	case lab.Wipe:
		return lab.Empty(n.launch.Dir)
	case lab.Fill:
		return fill(n.launch.Dir)
	case lab.Free:
		return free(n.launch.Dir)
	case lab.Kill:
		return n.kill(ctx, l)
	case lab.Stop:
		return n.stop(ctx, l)
	case lab.Pause:
		if err := l.settle(ctx, syscall.SIGSTOP, true); err != nil {
			return err
		}
		n.pausedIs(true)
	case lab.Resume:
		if err := l.settle(ctx, syscall.SIGCONT, false); err != nil {
			return err
		}
		n.pausedIs(false)
	}
	return nil
}

func (n *node) pausedIs(p bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = p
}

// bringUp begins a life and waits until the server answers. On error the life is over.
func (n *node) bringUp(ctx context.Context) error {
	cmd, err := n.command()
	if err != nil {
		return err
	}
	claim, err := n.register.Claim(leftovers.Thing{
		Kind: leftovers.Process, Name: n.request.Driver.Server.Product + " as " + n.request.Name, Keep: n.request.Keep,
	})
	if err != nil {
		return err
	}
	l, err := begin(cmd, n.request.LogPath, claim, n.request.Keep)
	if err != nil {
		return errors.Join(err, claim.Release())
	}
	n.mu.Lock()
	n.meter.next(n.life)
	n.life, n.paused, n.info.PID = l, false, l.pid
	url := n.info.URL
	n.mu.Unlock()

	version, err := lab.Await(ctx, n.request.Driver.Server, url, n.request.Patience, l.done)
	if err != nil {
		_ = n.kill(context.WithoutCancel(ctx), l)
		if l.state != nil && errors.Is(err, lab.ErrEnded) {
			err = fmt.Errorf("%w (%v)", err, l.state)
		}
		return fmt.Errorf("%w; the end of its log:\n%s", err, lab.Tail(n.request.LogPath, 20))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.info.Version = version
	return nil
}

func (n *node) kill(ctx context.Context, l *life) error {
	family, err := l.family()
	if err != nil {
		return err
	}
	l.signal(family, syscall.SIGKILL)
	return l.end(ctx, family, 0)
}

// stop asks the leader first, as an init system does: it is for the server to end its own children in order. A
// leader that is only a wrapper may go and leave the server behind, which is then asked too.
func (n *node) stop(ctx context.Context, l *life) error {
	family, err := l.family()
	if err != nil {
		return err
	}
	if err := syscall.Kill(l.pid, syscall.SIGTERM); err != nil {
		return err
	}
	late := time.NewTimer(n.grace)
	defer late.Stop()
	killed := func() error {
		return errors.Join(fmt.Errorf("it did not stop within %v and was killed", n.grace), n.kill(context.WithoutCancel(ctx), l))
	}
	select {
	case <-l.done:
	case <-late.C:
		return killed()
	case <-ctx.Done():
		return killed()
	}
	return l.end(ctx, family, n.grace)
}

func (n *node) Close(ctx context.Context) error {
	if err := n.turn.Take(ctx); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	defer n.turn.Give()
	if n.closed {
		return nil
	}
	var errs []error
	if l, _ := n.now(); l != nil {
		errs = append(errs, n.kill(ctx, l))
	} else if n.life != nil { // the number of its group may be another's by now
		errs = append(errs, n.life.claim.Release())
	}
	errs = append(errs, n.killMarked())
	if n.request.Disk > 0 {
		errs = append(errs, leftovers.Unmount(n.launch.Dir))
	}
	errs = append(errs, os.RemoveAll(n.launch.Dir), n.claim.Release())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", n.request.Name, err)
	}
	n.closed = true
	return nil
}

// killMarked ends what the server started and let go of, or left behind when it ended by itself.
func (n *node) killMarked() error {
	all, err := proc.All()
	if err != nil {
		return err
	}
	for _, p := range all {
		if mark, ok := proc.Environ(p.PID, envNode); ok && mark == n.mark && proc.Alive(p.PID, p.Start) {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
	return nil
}
