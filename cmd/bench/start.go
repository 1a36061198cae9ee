package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/cmd/bench/display"
	"taskbench/harness"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/harness/scenario"
	"taskbench/harness/systems/native"
	"taskbench/reports"
	"taskbench/reports/units"
)

// where are the flags that say on what a run happens and what becomes of its result.
type where struct {
	brokers []string
	pools   []string
	lab     string
	images  map[string]string
	urls    map[string]string
	repeat  int
	patient time.Duration
	seed    uint64
	out     string
	force   bool
	json    bool
	quiet   bool
}

func (w *where) flags(a *app, c *cobra.Command) {
	w.lab, w.repeat, w.seed = labs.Auto, 1, a.seed()
	listFlag(a, c, &w.brokers, "brokers", "BROKER[:VARIANT],...", "brokers to run on; all is each broker, redis:all each variant, all:all both (default: what this machine offers)")
	listFlag(a, c, &w.pools, "pools", "POOL,...", "concurrency models of the workers: "+strings.Join(native.System.Pools, ", "))
	valueFlag(a, c, &w.lab, "lab", "LAB", w.lab, "where brokers run: "+strings.Join(labs.Names(), ", "), oneOf(labs.Names()...))
	mapFlag(a, c, &w.images, "image", "BROKER=IMAGE", "container image of a broker instead of the usual one (repeatable)")
	mapFlag(a, c, &w.urls, "url", "BROKER=URL", "use a server that runs already (repeatable; its queues are written to)")
	valueFlag(a, c, &w.repeat, "repeat", "N", "1", "how often each cell is run", atLeast(1))
	patienceFlag(a, c, &w.patient)
	valueFlag(a, c, &w.seed, "seed", "N", "random", "decides everything that is left to chance", parseSeed)
	valueFlag(a, c, &w.out, "out", "DIR", "runs/TIME-NAME", "result directory", anyText)
	c.Flags().BoolVar(&w.force, "force", false, "write into a result directory that is not empty")
	c.Flags().BoolVar(&w.json, "json", false, "print result.json on stdout instead of the table")
	c.Flags().BoolVar(&w.quiet, "quiet", false, "say nothing but results and what went wrong")
	a.complete(c, "brokers", func() []string { return append(brokerNames(), every, every+":"+every) })
	a.complete(c, "pools", func() []string { return native.System.Pools })
	a.complete(c, "lab", labs.Names)
}

// patienceFlag adds the flag that bounds the waiting for a server.
func patienceFlag(a *app, c *cobra.Command, to *time.Duration) {
	valueFlag(a, c, to, "patience", "TIME", scenario.FormatDuration(lab.DefaultPatience), "how long a broker may take to become ready", positive(scenario.ParseDuration))
}

// directory decides where the result goes, and refuses to mix it with what is there already.
func (w *where) directory(a *app, name string) (string, error) {
	dir := w.out
	if dir == "" {
		dir = filepath.Join("runs", a.now().UTC().Format("20060102T150405Z")+"-"+name)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0:
		return dir, nil
	case err != nil:
		return "", fmt.Errorf("--out %s: %w", dir, err)
	case !w.force:
		return "", fmt.Errorf("--out %s: it is not empty: name another directory, or add --force to overwrite what is there", dir)
	}
	return dir, nil
}

// request fills in what the flags say of a run, but for its brokers, which the machine may have to be asked for.
func (w *where) request(a *app, name string) harness.Request {
	dir, err := w.directory(a, name)
	a.mistake(err)
	for _, keys := range []struct {
		flag string
		of   map[string]string
	}{{"--image", w.images}, {"--url", w.urls}} {
		for _, name := range slices.Sorted(maps.Keys(keys.of)) {
			if names := driverNames(); !slices.Contains(names, name) {
				a.mistake(fmt.Errorf("%s %s=...: %w", keys.flag, name, unknown("broker", name, names)))
			}
		}
	}
	for _, d := range all.Drivers() {
		if at := w.urls[d.Name]; at != "" {
			if err := fits(d, at); err != nil {
				a.mistake(fmt.Errorf("--url %s=...: %w", d.Name, err))
			}
		}
	}
	return harness.Request{
		Name: name, Pools: w.pools, Repeat: w.repeat, Seed: w.seed, Lab: w.lab,
		Images: w.images, URLs: w.urls, Patience: w.patient, Dir: dir, Command: redact("bench " + strings.Join(a.args, " ")),
	}
}

// carryOut plans the run, says what will happen, lets it happen, and writes what came of it.
func (a *app) carryOut(ctx context.Context, what string, w where, r harness.Request) error {
	if err := a.judgeRequest(ctx, w, r); err != nil {
		return err
	}
	a.hello(w, what)
	r.Brokers = a.chooseBrokers(ctx, w)
	p, err := a.plan(ctx, r)
	var input harness.InputError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &input):
		return a.mistaken(err)
	case err != nil:
		return err
	}
	a.sweepUp(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // nothing was started, and there is nothing to write
	}
	if !w.quiet {
		a.announce(ctx, p)
	}
	shown := a.progress(w.quiet)
	a.shown.Store(shown)
	p.Interim = func(r harness.Result) {
		if _, err := reports.WriteAll(context.WithoutCancel(ctx), p.Dir, r); err != nil {
			_, _ = fmt.Fprintf(aside{a}, "the interim report could not be written: %v\n", err)
		}
	}
	result, failed := a.run(ctx, p, shown.Watch)
	a.shown.Store(nil)
	shown.Close()
	return a.finish(ctx, w, p, result, failed)
}

// judgeRequest says what is wrong with the request, without asking the machine: an engine that is slow to answer must
// not keep anybody from learning of a misspelt name. It plans for the embedded lab, where nothing has to be asked; that
// a broker cannot run there is no mistake.
func (a *app) judgeRequest(ctx context.Context, w where, r harness.Request) error {
	if r.Brokers = w.named(); len(r.Brokers) == 0 {
		r.Brokers = driverNames()
	}
	if slices.Contains(labs.Names(), r.Lab) { // else it is a mistake of a scenario file
		r.Lab = labs.Embedded
	}
	_, err := a.plan(ctx, r)
	if input := (harness.InputError{}); errors.As(err, &input) {
		return a.mistaken(err)
	}
	return a.mistaken()
}

// sweepUp removes what runs that were killed left behind, and says so.
func (a *app) sweepUp(ctx context.Context) {
	report, err := a.sweep(ctx)
	for _, what := range report.Removed {
		_, _ = fmt.Fprintf(a.stderr, "removed what an earlier run left behind: %s\n", what)
	}
	if err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(a.stderr, "bench: could not remove all leftovers of earlier runs: %v\n", err)
	}
}

// announce says what is going to be run.
func (a *app) announce(ctx context.Context, p harness.Plan) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s in about %s, seed %d, into %s\n", p.Name, units.Plural(len(p.Cells), "cell"), display.Rough(p.Length()), p.Seed, p.Dir)
	seen := map[string]bool{}
	for _, c := range p.Cells {
		name := c.Driver.Name + ":" + c.Variant.Name
		if !seen[name] {
			seen[name] = true
			fmt.Fprintf(&b, "  %-22s %-9s %s\n", name, c.Lab.Name(), c.Why)
		}
	}
	for _, c := range p.Cells {
		if c.Unfit != "" {
			fmt.Fprintf(&b, "  %s will not be run: %s\n", c.Name(), c.Unfit)
		}
	}
	_, _ = fmt.Fprint(a.stderr, b.String())
	told := map[string]bool{}
	for _, c := range p.Cells {
		if !told[c.Driver.Name] {
			told[c.Driver.Name] = true
			a.making(ctx, c.Lab, c.Driver)
		}
	}
}

// making says what has to be made before a server can be started, since that takes a while.
func (a *app) making(ctx context.Context, l lab.Lab, d brokers.Driver) {
	if m, ok := l.(lab.Maker); ok {
		if what := m.Makes(ctx, d); what != "" {
			_, _ = fmt.Fprintf(a.stderr, "  %s is not here yet: Go builds it now, once, which may take a minute or two\n", what)
		}
	}
}
