package main

import (
	"errors"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"taskbench/harness"
)

// root builds the command tree anew: flags of an earlier invocation must not linger.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Compare task queue brokers and concurrency models, break them, and see what is lost",
		Long: `bench brings task queue brokers up, drives workers with synthetic tasks, breaks brokers and workers on a schedule,
keeps a ledger of every task, and reports throughput, latency, loss and recovery side by side.

Results go to stdout, everything else to stderr. ` + "`bench compare`" + ` is the place to start.

` + exitCodesHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				if err := a.mistaken(); err != nil {
					return err
				}
				return c.Help()
			}
			a.mistakes = nil // flags of a command that nobody knows
			return a.mistaken(unknownCommand(c, args[0]))
		},
		Version: versionLine(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		a.compareCommand(), a.runCommand(), a.listCommand(),
		a.reportCommand(), a.checkCommand(), a.explainCommand(), a.shrinkCommand(), a.diffCommand(),
		a.doctorCommand(), a.upCommand(), a.downCommand(), a.imagesCommand(),
		a.workerCommand(), a.beatCommand(), a.sendCommand(), a.eventsCommand(), a.inspectCommand(), a.controlCommand(), a.holdCommand(), a.versionCommand(),
	)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.helpCommand(root)
	a.collectMistakes(root)
	return root
}

// helpCommand lets `bench help` refuse a command that there is not, instead of showing the help of another.
func (a *app) helpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, help := range root.Commands() {
		if help.Name() != "help" {
			continue
		}
		help.Run, help.RunE = nil, func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 && c.HasSubCommands() {
				err = unknownCommand(c, rest[0])
			}
			if a.mistake(err); a.mistaken() != nil {
				return a.mistaken()
			}
			c.InitDefaultHelpFlag() // so that it is listed
			return c.Help()
		}
	}
}

// unknownCommand says that a command has no such subcommand.
func unknownCommand(c *cobra.Command, got string) error {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return unknown("command", got, names)
}

// collectMistakes lets no mistake of the command line hide another: flags are all read before anything is said.
func (a *app) collectMistakes(c *cobra.Command) {
	c.FParseErrWhitelist.UnknownFlags = true
	c.Args = cobra.ArbitraryArgs
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return a.mistaken(err) })
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		for _, err := range unknownFlags(c, a.args) {
			a.mistake(err)
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
	for _, sub := range c.Commands() {
		a.collectMistakes(sub)
	}
}

// want notes a mistake unless there are between least and most arguments.
func (a *app) want(c *cobra.Command, args []string, least, most int) {
	switch {
	case len(args) < least:
		a.mistake(errors.New("an argument is missing: " + c.UseLine()))
	case len(args) > most:
		a.mistake(errors.New("too many arguments: " + c.UseLine()))
	}
}

// joined is errors.Join that leaves a lone error as it is.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// inputError marks an error as a mistake of whoever asked.
func inputError(err error) error {
	if err == nil {
		return nil
	}
	return harness.InputError{Err: err}
}

// randomSeed is for whoever gives none: short enough to be typed again.
func randomSeed() uint64 { return uint64(rand.Uint32N(1_000_000)) }
