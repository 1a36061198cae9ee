package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/harness/lab/images"
	"taskbench/harness/lab/leftovers"
)

func (a *app) imagesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "images",
		Short: "Build or list the container images that are used where no registry can be reached",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.mistake(unknown("command", "images "+args[0], []string{"images build", "images list"}))
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			return c.Help()
		},
	}
	c.AddCommand(a.imagesBuildCommand(), a.imagesListCommand())
	return c
}

func (a *app) imagesBuildCommand() *cobra.Command {
	var force, verbose bool
	c := &cobra.Command{
		Use:   "build [NAME...]",
		Short: "Build the images that are missing or whose recipe has changed",
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.mistaken(); err != nil {
				return err
			}
			o := images.Options{Only: args, Force: force, Log: io.Discard, Claim: leftovers.Scratch, Done: func(i images.Image) {
				_, _ = fmt.Fprintln(a.stdout, imageLine(i))
			}, LeftOut: func(i images.Image, cause error) {
				_, _ = fmt.Fprintln(a.stderr, leftOutLine(i, cause))
			}}
			if verbose {
				o.Log = a.stderr
			}
			if _, err := images.Build(c.Context(), o); err != nil {
				var name *images.UnknownError
				if errors.As(err, &name) {
					return inputError(err)
				}
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "build anew what is up to date, which fetches newer packages")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what the builders print")
	return c
}

func imageLine(i images.Image) string {
	if i.Took == 0 {
		return fmt.Sprintf("%-28s up to date, %d MiB", i.Tag, i.Size>>20)
	}
	return fmt.Sprintf("%-28s built in %.1f s, %d MiB", i.Tag, i.Took.Seconds(), i.Size>>20)
}

func leftOutLine(i images.Image, cause error) string {
	line := fmt.Sprintf("%-28s left out: %v", i.Tag, cause)
	if i.Optional != "" {
		line += fmt.Sprintf(" (it is optional, since %s; `bench images build %s` tries again)", i.Optional, i.Name)
	}
	return line
}

func (a *app) imagesListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the images that can be built, and which of them the engine has",
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			if err := a.mistaken(); err != nil {
				return err
			}
			all, err := images.List(c.Context())
			if err != nil {
				return harness.EnvironmentError{Err: err}
			}
			if asJSON {
				return a.printJSON(all)
			}
			return printImages(a.stdout, all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printImages(out io.Writer, all []images.Image) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tTAG\tSTATE\tSIZE\tBUILT")
	for _, i := range all {
		state, size, built := "not built", "", ""
		if i.ID != "" {
			state, size, built = "recipe has changed", fmt.Sprintf("%d MiB", i.Size>>20), i.Created.UTC().Format("2006-01-02 15:04 UTC")
		}
		if i.Fresh {
			state = "up to date"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Name, i.Tag, state, size, built)
	}
	return w.Flush()
}

// printJSON prints indented JSON on stdout.
func (a *app) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", text)
	return err
}
