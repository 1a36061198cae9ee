package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskbench/harness/scenario"
	"taskbench/scenarios"
)

func (a *app) runCommand() *cobra.Command {
	var w where
	var changes []string
	var short bool
	var length, piece time.Duration
	c := &cobra.Command{
		Use:   "run SCENARIO|FILE",
		Short: "Run one scenario: a built-in one, a file, or that of an earlier result",
		Long: `run carries out one scenario on one or more brokers and judges what it expects. A scenario.yaml from a result
directory is run again as it was: same brokers, pools, seed and schedule, unless a flag says otherwise.

` + "`bench list scenarios`" + ` shows the built-in ones.

` + exitCodesHelp,
		Example: `  bench run broker-kill --brokers redis:memory
  bench run broker-kill --brokers rabbitmq:quorum --set load.rate=100/s --set faults.0.for=2s
  bench run my-scenario.yaml --pools prefork,goroutine
  bench run chaos --brokers rabbitmq:quorum --for 8h
  bench run runs/20260102T150405Z-broker-kill/scenario.yaml`,
		ValidArgsFunction: a.completeScenario,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			if len(args) != 1 {
				return a.mistaken()
			}
			profile := scenario.Full
			if short {
				profile = scenario.Short
			}
			s, err := readScenario(args[0], profile)
			a.mistake(err)
			if length > 0 {
				changes = append(changes, "load.for="+scenario.FormatDuration(length))
			}
			if err == nil && len(changes) > 0 {
				a.mistake(scenario.Override(&s, scenarios.Known(), changes...))
			}
			w.inherit(c, s.Run)
			name := s.Name
			if name == "" {
				name = "run"
			}
			r := w.request(a, name)
			r.Piece = piece
			if err == nil {
				r.Scenarios = []scenario.Scenario{s}
			}
			return a.carryOut(c.Context(), "run "+args[0], w, r)
		},
	}
	w.flags(a, c)
	repeatFlag(a, c, &changes, "set", "PATH=VALUE", "change the scenario, as in load.rate=100/s or faults.0.for=2s (repeatable)")
	valueFlag(a, c, &length, "for", "TIME", "the scenario's", "how long the load goes on; short for --set load.for=TIME", positive(scenario.ParseDuration))
	valueFlag(a, c, &piece, "piece", "TIME", "5m of more than 20m", "cut the history into pieces of so much load, each with an interim report", positive(scenario.ParseDuration))
	c.Flags().BoolVar(&short, "short", false, "run the scenario's short profile")
	return c
}

// inherit takes over what the scenario says of a run, where no flag says otherwise.
func (w *where) inherit(c *cobra.Command, r scenario.Run) {
	given := c.Flags().Changed
	if !given("brokers") {
		w.brokers = r.Brokers
	}
	if !given("pools") {
		w.pools = r.Pools
	}
	if !given("lab") && r.Lab != "" {
		w.lab = r.Lab
	}
	if !given("repeat") && r.Repeat > 0 {
		w.repeat = r.Repeat
	}
	if !given("seed") && r.Seed != 0 {
		w.seed = r.Seed
	}
}

// readScenario reads a file where the argument looks like one or is a result directory, and a built-in one else.
func readScenario(arg string, p scenario.Profile) (scenario.Scenario, error) {
	// First, so that a result directory of the same name beside it does not change what a name means.
	if slices.Contains(scenarios.Names(), arg) {
		return scenarios.Load(arg, p)
	}
	dir := ""
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		dir, arg = arg, filepath.Join(arg, "scenario.yaml")
	}
	if strings.ContainsRune(arg, os.PathSeparator) || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") {
		s, err := scenario.ParseFile(arg, scenarios.Known(), p)
		switch {
		case !errors.Is(err, os.ErrNotExist):
			return s, err
		case dir != "":
			return s, fmt.Errorf("directory %s has no scenario.yaml, as a run leaves one; name the directory of a run, a scenario file, or what `bench list scenarios` shows", dir)
		}
		return s, errors.New("no file " + arg)
	}
	return scenario.Scenario{}, unknown("scenario", arg, scenarios.Names())
}
