package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/reports"
)

func (a *app) diffCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two results, cell by cell",
		Long: `diff compares the cells that two result directories share, over their repeats. "~" means that no difference was
shown: the repeats of the two overlap, or there are too few of them.`,
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 2, 2)
			if err := a.mistaken(); err != nil {
				return err
			}
			var sides [2]harness.Result
			for i, dir := range args {
				r, err := reports.Read(dir)
				a.mistake(err)
				sides[i] = r
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			d := reports.Diff(sides[0], sides[1])
			if len(d.Cells) == 0 {
				return inputError(fmt.Errorf("%s and %s have no cell in common", args[0], args[1]))
			}
			if asJSON {
				return a.printJSON(d)
			}
			return d.Text(a.stdout, a.tables(""))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
