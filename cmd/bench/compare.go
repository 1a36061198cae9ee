package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskbench/harness/scenario"
	"taskbench/scenarios"
)

// load are the flags that say what is run in each cell of a comparison.
type load struct {
	workloads   []string
	under       []string
	shape       string
	rate        float64
	duration    time.Duration
	warmup      time.Duration
	workers     int
	concurrency int
	acks        string
	prefetch    int
	maxTasks    int
	maxMemory   int64
}

// Defaults for which `bench compare` of everything that a machine can run is done within six minutes.
var defaultLoad = load{
	workloads: []string{mixed}, shape: "constant", rate: 200, duration: 6 * time.Second, warmup: 2 * time.Second,
	workers: 2, concurrency: 8, acks: "late",
}

func (l *load) flags(a *app, c *cobra.Command) {
	*l = defaultLoad
	listFlag(a, c, &l.workloads, "workload", "WORKLOAD,...", "tasks to run, each workload in cells of its own: "+strings.Join(workloadNames(), ", "))
	listFlag(a, c, &l.under, "under", "SCENARIO,...", "break something as well, each in cells of its own: "+strings.Join(breakageNames(), ", ")+", or all")
	valueFlag(a, c, &l.shape, "shape", "SHAPE", l.shape, "when tasks are due: constant, poisson", oneOf("constant", "poisson"))
	valueFlag(a, c, &l.rate, "rate", "RATE", scenario.FormatRate(l.rate), "tasks due in a time, such as 200/s or 50k/s", positive(scenario.ParseRate))
	valueFlag(a, c, &l.duration, "duration", "TIME", scenario.FormatDuration(l.duration), "how long each cell is measured", positive(scenario.ParseDuration))
	valueFlag(a, c, &l.warmup, "warmup", "TIME", scenario.FormatDuration(l.warmup), "load before that, not measured", notNegative(scenario.ParseDuration))
	valueFlag(a, c, &l.workers, "workers", "N", "2", "worker processes", atLeast(1))
	valueFlag(a, c, &l.concurrency, "concurrency", "N", "8", "tasks at a time in each worker", atLeast(1))
	valueFlag(a, c, &l.acks, "acks", "WHEN", l.acks, "when a message is acknowledged: early (as its task starts), late (when it has ended)", oneOf("early", "late"))
	valueFlag(a, c, &l.prefetch, "prefetch", "N", "4 x concurrency", "messages that a worker holds unsettled", atLeast(1))
	workerLimits(a, c, &l.maxTasks, &l.maxMemory)
	a.complete(c, "workload", workloadNames)
	a.complete(c, "under", func() []string { return append(breakageNames(), "all") })
	a.complete(c, "shape", func() []string { return []string{"constant", "poisson"} })
	a.complete(c, "acks", func() []string { return []string{"early", "late"} })
}

// workerLimits adds the flags by which prefork children are replaced.
func workerLimits(a *app, c *cobra.Command, tasks *int, memory *int64) {
	valueFlag(a, c, tasks, "max-tasks-per-child", "N", "", "prefork: replace a child after so many tasks", atLeast(1))
	valueFlag(a, c, memory, "max-memory-per-child", "SIZE", "", "prefork: replace a child that has grown to this size, such as 256MiB", positive(scenario.ParseSize))
}

func (a *app) compareCommand() *cobra.Command {
	var w where
	var l load
	c := &cobra.Command{
		Use:   "compare",
		Short: "Run the same load on several brokers and pools, and rank what can be ranked",
		Long: `compare runs the same workload at the same load on each broker with each pool, and reports throughput, latency,
resources and losses side by side. Only brokers of one durability class are ranked together. It breaks nothing, unless
--under says what is to be broken in further cells; then the report sets what each broker promises against what was seen.
Their load is that of the calm cells, so that often nothing waits in a broker which ends, and nothing can be lost: the
report says how much did. ` + "`bench run broker-kill`" + ` lets a backlog wait.

Without --brokers it takes every broker that this machine can run. Of all, too, those are left out, and named, that the lab has
no place for; a broker that is asked for by its own name has to be there.

` + exitCodesHelp,
		Example: `  bench compare
  bench compare --brokers rabbitmq:quorum,redis:aof-always --pools prefork,goroutine --workload cpu,io,leak \
      --rate 200/s --duration 30s --repeat 3 --seed 7 --out out/first
  bench compare --brokers all --pools goroutine --under all
  bench compare --lab embedded --brokers all --json`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			r := w.request(a, "compare")
			r.Scenarios = l.scenarios(a)
			return a.carryOut(c.Context(), "compare", w, r)
		},
	}
	w.pools = []string{"prefork", "goroutine"}
	w.flags(a, c)
	l.flags(a, c)
	return c
}

// scenarios are the comparison's: for each workload a calm one, and one for each breakage.
func (l load) scenarios(a *app) []scenario.Scenario {
	var all []scenario.Scenario
	broken, err := chooseBreakages(l.under)
	a.mistake(err)
	for _, name := range l.workloads {
		s, err := workload(name)
		if err != nil {
			a.mistake(err)
			continue
		}
		s.Load = scenario.Load{Shape: l.shape, Rate: l.rate, For: l.duration, Warmup: l.warmup, Publishers: s.Load.Publishers}
		s.System.Workers, s.System.Concurrency, s.System.Acks, s.System.Prefetch = l.workers, l.concurrency, l.acks, l.prefetch
		s.System.MaxTasks, s.System.MaxMemory = l.maxTasks, l.maxMemory
		if err := scenario.Override(&s, scenarios.Known()); err != nil { // no changes: judges the whole
			a.mistake(err)
			continue
		}
		all = append(all, s)
		for _, b := range broken {
			under, err := b.scenario(s)
			a.mistake(err)
			all = append(all, under)
		}
	}
	return all
}
