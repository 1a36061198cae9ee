package brokertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"

	"taskbench/brokers"
)

// held is what a holder says when it has its message.
const held = "held"

// Hold takes one message from the queue, says so on out, and does nothing with it until ctx ends or its link is lost: the
// whole of a process that Holding starts.
func Hold(ctx context.Context, out io.Writer, d brokers.Driver, v brokers.Variant, url, queue string) error {
	b, err := d.Open(ctx, url, v)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", d.Name, err)
	}
	defer b.Close()
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return fmt.Errorf("consume from %s: %w", queue, err)
	}
	if _, open := <-c.Deliveries(); !open {
		return errors.Join(errors.New("no message came"), c.Err())
	}
	if _, err := fmt.Fprintln(out, held); err != nil {
		return err
	}
	select {
	case <-c.Deliveries():
		return fmt.Errorf("hold a message of %s: %w", queue, orNone(c.Err()))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Holding gives a subject the hooks Vanish and Stall. The command is that of a process which calls Hold, with its standard
// output, for the subject's URL and this queue.
func Holding(s Subject, command func(queue string) *exec.Cmd) Subject {
	s.Vanish = func(ctx context.Context, queue string) error {
		_, end, err := hold(ctx, command(queue))
		if err != nil {
			return err
		}
		return end()
	}
	s.Stall = func(ctx context.Context, queue string) (func() error, error) {
		cmd, end, err := hold(ctx, command(queue))
		if err != nil {
			return nil, err
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return nil, errors.Join(fmt.Errorf("stop the process that holds a message: %w", err), end())
		}
		return end, nil
	}
	return s
}

// hold starts a holder, and returns once it has its message. When ctx ends, it is killed at the latest.
func hold(ctx context.Context, cmd *exec.Cmd) (_ *exec.Cmd, end func() error, err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start a process that takes a message: %w", err)
	}
	kill := sync.OnceValue(func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // it was killed: it says so
		return err
	})
	stop := context.AfterFunc(ctx, func() { _ = kill() })
	end = func() error {
		stop()
		return kill()
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	if line != held+"\n" {
		return nil, nil, errors.Join(fmt.Errorf("the process that was to take a message said %q", line), readErr, end())
	}
	return cmd, end, nil
}
