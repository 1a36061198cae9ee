package main

import (
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/brokertest"
	"taskbench/harness"
)

// holdURL keeps the URL, which may have a password in it, out of the list of processes.
const holdURL = "TASKBENCH_HOLD_URL"

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
			if err := brokertest.Hold(c.Context(), a.stdout, d, v, os.Getenv(holdURL), args[1]); err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
}

// holder is the command of such a process, for a queue of the server at url.
func holder(self string, d brokers.Driver, v brokers.Variant, url, queue string) *exec.Cmd {
	c := exec.Command(self, "hold", d.Name+":"+v.Name, queue)
	c.Env = append(os.Environ(), holdURL+"="+url)
	return c
}
