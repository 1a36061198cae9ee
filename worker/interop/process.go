package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Process is one that was started here, with a process group of its own and everything that it prints in a file.
type Process struct {
	PID   int
	Stdin io.WriteCloser

	log  string
	done chan struct{} // closed once it has ended and err is set
	err  error
}

// Start starts a program. It dies with this process where the system can do that. Its Stdin stays open until it is
// closed or the program ends.
func Start(args, env []string, dir, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	defer func() { _ = out.Close() }() // the program has its own
	return start(args, env, dir, log, out, out)
}

func start(args, env []string, dir, log string, stdout, stderr *os.File) (*Process, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	p := &Process{PID: cmd.Process.Pid, Stdin: stdin, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Log is what the process has printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Printed waits until the process has printed the text. That it ends before is an error, which shows its last lines.
func (p *Process) Printed(ctx context.Context, text string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := os.ReadFile(p.log)
		if err == nil && bytes.Contains(log, []byte(text)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("process %d ended (%w) before it printed %q; its last lines:\n%s", p.PID, errors.Join(p.err, io.EOF), text, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for process %d to print %q: %w; its last lines:\n%s", p.PID, text, ctx.Err(), p.tail())
		}
	}
}

func (p *Process) tail() string {
	lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the process to end, and kills it and its group after the grace. Stopping it again does nothing.
func (p *Process) Stop(grace time.Duration) {
	_ = p.Stdin.Close() // it may have closed its end
	if grace > 0 {
		_ = syscall.Kill(p.PID, syscall.SIGTERM) // it may be gone
		select {
		case <-p.done:
		case <-time.After(grace):
		}
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL) // the group may be gone
	<-p.done
}
