package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/reports"
)

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "report DIR",
		Short:             "Write every report of a result directory again, from its result.json",
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			if err := a.mistaken(); err != nil {
				return err
			}
			r, err := reports.Read(args[0])
			if err != nil {
				return inputError(err)
			}
			if _, err := reports.WriteAll(c.Context(), args[0], r); err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return reports.Text(a.stdout, r, a.tables(filepath.Join(args[0], "report.html")))
		},
	}
}
