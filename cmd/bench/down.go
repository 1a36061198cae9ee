package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/harness/lab/leftovers"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop what `bench up` started, and remove what killed runs left behind",
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			if err := a.mistaken(); err != nil {
				return err
			}
			report, err := leftovers.Down(c.Context())
			for _, what := range report.Removed {
				_, _ = fmt.Fprintf(a.stdout, "removed %s\n", what)
			}
			if len(report.Removed) == 0 && err == nil {
				_, _ = fmt.Fprintln(a.stderr, "nothing to remove")
			}
			if err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
}
