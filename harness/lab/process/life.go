package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/proc"
)

// A life is the server from one start to its end.
type life struct {
	pid   int
	claim *leftovers.Claim
	done  chan struct{} // closed once the leader has been reaped
	state *os.ProcessState
}

// begin starts the command as the leader of a process group of its own, with its output to the log.
func begin(cmd *exec.Cmd, logPath string, claim *leftovers.Claim, keep bool) (*life, error) {
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !keep {
		dieWithParent(cmd.SysProcAttr)
	}
	l := &life{claim: claim, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it, not with the process. So that thread
		// is kept for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		l.state = cmd.ProcessState
		close(l.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	l.pid = cmd.Process.Pid
	switch err := claim.Started(l.pid); {
	case errors.Is(err, proc.ErrGone): // it ended at once: whoever waits for it to be ready will say so
		<-l.done
	case err != nil:
		l.kill()
		<-l.done
		return nil, err
	}
	return l, nil
}

func (l *life) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// family lists the server's processes.
func (l *life) family() ([]proc.Process, error) {
	all, err := proc.All()
	if err != nil {
		return nil, err
	}
	return proc.Family(all, l.pid), nil
}

// signal sends to every process of the family. The leader has not been reaped, or its group is empty, so the
// numbers are still theirs.
func (l *life) signal(family []proc.Process, s syscall.Signal) {
	_ = syscall.Kill(-l.pid, s)
	for _, p := range family {
		if p.Group != l.pid && proc.Alive(p.PID, p.Start) {
			_ = syscall.Kill(p.PID, s)
		}
	}
}

func (l *life) kill() {
	family, _ := l.family()
	l.signal(family, syscall.SIGKILL)
}

// end waits until the leader and the given family are gone. What outlives the leader is asked to stop, and killed
// when patience is out.
func (l *life) end(ctx context.Context, family []proc.Process, patience time.Duration) error {
	select {
	case <-l.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	send := func(s syscall.Signal) {
		for _, p := range family {
			if proc.Alive(p.PID, p.Start) {
				_ = syscall.Kill(p.PID, s)
			}
		}
	}
	send(syscall.SIGTERM)
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, p := range family {
		for proc.Alive(p.PID, p.Start) {
			select {
			case <-tick.C:
			case <-late.C:
				send(syscall.SIGKILL)
			case <-ctx.Done():
				return fmt.Errorf("process %d is not gone: %w", p.PID, ctx.Err())
			}
		}
	}
	return l.claim.Release()
}

// settle repeats the signal until every process of the family is stopped, or none is.
func (l *life) settle(ctx context.Context, s syscall.Signal, stopped bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		family, err := l.family()
		if err != nil {
			return err
		}
		l.signal(family, s)
		if family, err = l.family(); err != nil {
			return err
		}
		if len(family) == 0 {
			return fmt.Errorf("process %d is gone", l.pid)
		}
		settled := true
		for _, p := range family {
			settled = settled && (p.State == 'T') == stopped
		}
		if settled {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not every process of group %d followed: %w", l.pid, ctx.Err())
		}
	}
}
