package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness"
)

// holdURL keeps the URL, which may have a password in it, out of the list of processes.
const holdURL = "TASKBENCH_HOLD_URL"

const held = "held"

// holdCommand is what the doctor starts and kills: a process that takes one message and does nothing with it.
func (a *app) holdCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "hold BROKER:VARIANT QUEUE",
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 2, 2)
			if err := a.mistaken(); err != nil {
				return err
			}
			d, v, err := all.Find(args[0])
			if err != nil {
				return inputError(err)
			}
			if err := a.hold(c.Context(), d, v, args[1]); err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
}

func (a *app) hold(ctx context.Context, d brokers.Driver, v brokers.Variant, queue string) error {
	b, err := d.Open(ctx, os.Getenv(holdURL), v)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", d.Name, err)
	}
	defer b.Close()
	consumer, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return fmt.Errorf("consume from %s: %w", queue, err)
	}
	if _, ok := <-consumer.Deliveries(); !ok {
		return errors.Join(errors.New("no message came"), consumer.Err())
	}
	if _, err := fmt.Fprintln(a.stdout, held); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// vanish lets another process take one message from the queue, and kills it.
func vanish(ctx context.Context, d brokers.Driver, v brokers.Variant, url, queue string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	holder := exec.CommandContext(ctx, self, "hold", d.Name+":"+v.Name, queue) // killed when ctx ends
	holder.Env = append(os.Environ(), holdURL+"="+url)
	out, err := holder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := holder.Start(); err != nil {
		return fmt.Errorf("start a process that takes a message: %w", err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	killErr := holder.Process.Kill()
	_ = holder.Wait() // it was killed: it says so
	if line != held+"\n" {
		return errors.Join(fmt.Errorf("the process that was to take a message said %q", line), readErr, killErr)
	}
	return killErr
}
