package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab"
)

// A life is the container from one start to its end.
type life struct {
	gone   chan struct{} // closed once the engine has seen the end
	logged chan struct{} // closed once the log of this life is complete
	leave  context.CancelFunc
}

// finish waits for the rest of the log, but not for long, and gives up on what is still being watched.
func (l *life) finish() {
	select {
	case <-l.logged:
	case <-time.After(2 * time.Second):
	}
	l.leave()
	<-l.logged
}

// bringUp starts the container and waits until the server answers. On error it does not run.
func (n *node) bringUp(ctx context.Context) error {
	if err := n.launch(ctx); err != nil {
		return err
	}
	// What watches a life lives as long as that, not as long as the context of the start.
	watch, leave := context.WithCancel(context.WithoutCancel(ctx))
	l := &life{gone: make(chan struct{}), logged: make(chan struct{}), leave: leave}
	s, err := n.state(ctx)
	if err != nil {
		leave()
		return err
	}
	n.mu.Lock()
	n.life, n.info.PID = l, s.Pid
	n.meter.next(n.id, s.Pid)
	url := n.info.URL
	n.mu.Unlock()
	go n.watch(watch, l.gone)
	go n.log.follow(watch, n.engine, n.id, n.request.LogPath, l.logged)

	version, err := lab.Await(ctx, n.request.Driver.Server, url, n.request.Patience, l.gone)
	if err != nil {
		return n.failed(context.WithoutCancel(ctx), l, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.info.Version = version
	return nil
}

// launch starts the container. After a kill its port may be taken for a moment, by a connection that just ended.
func (n *node) launch(ctx context.Context) error {
	restart := n.life != nil
	for end := time.Now().Add(5 * time.Second); ; {
		_, err := n.engine.ContainerStart(ctx, n.id, client.ContainerStartOptions{})
		if err == nil || !restart || !taken(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed ends a life that did not become ready, and says why with the end of its log.
func (n *node) failed(ctx context.Context, l *life, err error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if errors.Is(err, lab.ErrEnded) {
		if s, failed := n.state(ctx); failed == nil {
			err = fmt.Errorf("%w (%s)", err, ending(s))
		}
	} else if _, failed := n.engine.ContainerKill(ctx, n.id, client.ContainerKillOptions{Signal: "SIGKILL"}); failed != nil {
		err = errors.Join(err, failed)
	}
	l.finish()
	return fmt.Errorf("%w; the end of its log:\n%s", err, lab.Tail(n.request.LogPath, 20))
}

// watch closes gone once the container does not run.
func (n *node) watch(ctx context.Context, gone chan<- struct{}) {
	for {
		w := n.engine.ContainerWait(ctx, n.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-w.Result:
			close(gone)
			return
		case <-w.Error: //nolint:errcheck // of the connection to the engine, or it has been removed: its state is asked next
		}
		if s, err := n.state(ctx); ctx.Err() != nil || (err == nil && !s.Running) {
			close(gone)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// end waits until the life is over for everyone: the engine has seen the end, nobody answers at the port, and
// the log is complete.
func (n *node) end(ctx context.Context) error {
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	select {
	case <-l.gone:
	case <-ctx.Done():
		return fmt.Errorf("the container is not gone: %w", ctx.Err())
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for { // the engine's own forwarder may outlive the server for a moment
		c, err := net.DialTimeout("tcp", lab.Addr(n.port), time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = c.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("someone still answers at port %d: %w", n.port, ctx.Err())
		}
	}
	l.finish()
	return nil
}
