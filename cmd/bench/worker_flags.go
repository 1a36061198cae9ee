package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskbench/harness/scenario"
	"taskbench/worker"
	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
	"taskbench/worker/logging"
	"taskbench/worker/rate"
	"taskbench/worker/result"
)

// shortFlag is valueFlag for a flag that has a letter, too.
func shortFlag[T any](a *app, c *cobra.Command, to *T, name, short, kind, text, doc string, parse func(string) (T, error)) {
	c.Flags().VarP(&value[T]{app: a, name: name, kind: kind, to: to, text: text, parse: func(s string, _ T, _ bool) (T, error) { return parse(s) }}, name, short, doc)
}

// shortList is listFlag likewise.
func shortList(a *app, c *cobra.Command, to *[]string, name, short, kind, doc string) {
	var f cobra.Command
	listFlag(a, &f, to, name, kind, doc)
	c.Flags().VarP(f.Flags().Lookup(name).Value, name, short, doc)
}

func (s *workerSetup) flags(a *app, c *cobra.Command) {
	cfg := &s.cfg
	s.resultExpires = result.DefaultExpires
	pools := worker.Pools()
	shortFlag(a, c, &cfg.Name, "hostname", "n", "NAME", cfg.Name, "name of the worker; %h is the host's and %n what stands before the @", anyText)
	valueFlag(a, c, &cfg.Name, "name", "NAME", cfg.Name, "the same", anyText)
	shortList(a, c, &cfg.Queues, "queues", "Q", "QUEUE,...", "queues to take tasks from")
	shortList(a, c, &cfg.Exclude, "exclude-queues", "X", "QUEUE,...", "of these, those to leave out")
	repeatFlag(a, c, &s.bindings, "bind", "QUEUE=EXCHANGE:KIND:KEY", "a queue with a binding of its own, several times")
	mapFlag(a, c, &cfg.Values, "value", "NAME=TEXT", "text for a name in double braces in a queue's name, several times")
	shortFlag(a, c, &cfg.Pool, "pool", "P", "POOL", cfg.Pool, "concurrency model: "+strings.Join(pools, ", "), oneOf(pools...))
	shortFlag(a, c, &cfg.Concurrency, "concurrency", "c", "N", "one for each processor", "tasks at a time", atLeast(1))
	valueFlag(a, c, &cfg.Autoscale, "autoscale", "MAX,MIN", "", "let the concurrency follow the work between these", parseAutoscale)
	valueFlag(a, c, &cfg.Prefetch, "prefetch", "N", "4 x concurrency", "messages held unsettled", atLeast(1))
	valueFlag(a, c, &cfg.Multiplier, "prefetch-multiplier", "N", "4", "the same as a multiple of the concurrency", atLeast(1))
	valueFlag(a, c, &cfg.ETALimit, "eta-task-limit", "N", "20000", "tasks that are held until they are due; the broker keeps the rest, where it can", atLeast(1))
	valueFlag(a, c, (*string)(&cfg.Acks), "acks", "WHEN", string(cfg.Acks), "early (as its task starts) or late (when it has ended)", oneOf("early", "late"))
	valueFlag(a, c, &cfg.Grace, "grace", "TIME", scenario.FormatDuration(cfg.Grace), "how long a stop waits for running tasks; 0 is for ever", notNegative(scenario.ParseDuration))
	valueFlag(a, c, &cfg.SoftStop, "soft-shutdown-timeout", "TIME", "0s", "how long a stop by SIGQUIT waits for them", notNegative(scenario.ParseDuration))
	valueFlag(a, c, &cfg.HardLimit, "time-limit", "TIME", "none", "after which a task is cut off", parseTimeLimit)
	valueFlag(a, c, &cfg.SoftLimit, "soft-time-limit", "TIME", "none", "after which a task's context ends", parseTimeLimit)
	valueFlag(a, c, &cfg.RateLimit, "rate-limit", "RATE", "none", "starts of each task, such as 10/m", parseRate)
	valueFlag(a, c, &cfg.MaxTasks, "max-tasks-per-child", "N", "", "prefork, green: replace a child after so many tasks", atLeast(1))
	valueFlag(a, c, &cfg.MaxMemory, "max-memory-per-child", "KIB|SIZE", "", "prefork, green: replace a child that has grown to this size: 262144 or 256MiB", parseKiB)
	c.Flags().BoolVar(&cfg.PoolRestarts, "pool-restarts", false, "let remote control replace the pool's children, by pool_restart")
	valueFlag(a, c, &cfg.MaxAttempts, "max-attempts", "N", "5", "deaths and timeouts of a task, acknowledged late, after which its message is kept aside", atLeast(1))
	valueFlag(a, c, &cfg.MaxDeliveries, "max-deliveries", "N", "1000", "handings-over of a message, where the broker counts them, after which it is kept aside; 0 is no bound", parseDeliveries)
	valueFlag(a, c, &s.results, "results", "URL", "none", "where results are kept", anyText)
	valueFlag(a, c, &s.resultExpires, "result-expires", "TIME", scenario.FormatDuration(s.resultExpires), "for how long; 0 is for ever", notNegative(scenario.ParseDuration))
	c.Flags().BoolVar(&cfg.TrackStarted, "track-started", false, "store a state when a task starts, too")
	c.Flags().BoolVarP(&cfg.SendEvents, "task-events", "E", false, "send events of tasks from the start")
	c.Flags().BoolVar(&cfg.Silent, "without-heartbeat", false, "send no events at all")
	c.Flags().BoolVar(&cfg.WithoutMingle, "without-mingle", false, "do not ask the other workers for what they have revoked")
	c.Flags().BoolVar(&s.ignored, "without-gossip", false, "as there is none, this changes nothing")
	shortFlag(a, c, &s.optimization, "optimization", "O", "NAME", "fair", "fair is what there is", oneOf("fair", "default"))
	valueFlag(a, c, &cfg.StateDB, "statedb", "FILE", "none", "where revoked tasks are remembered", anyText)
	valueFlag(a, c, &s.pidfile, "pidfile", "FILE", "none", "where the process id is written", anyText)
	valueFlag(a, c, &s.logFormat, "log-format", "FORMAT", s.logFormat, strings.Join(logging.Formats(), " or "), oneOf(logging.Formats()...))
	levelFlags(a, c, &s.logLevel)
	c.Flags().BoolVar(&s.withoutCapture, "without-capture", false, "what tasks print in pool children goes to standard error as it is, not to the log")
	valueFlag(a, c, &s.health, "health", "[HOST]:PORT", "none", "where /healthz, /readyz and Prometheus' /metrics are answered; without a host it is 127.0.0.1", parseAddress)
	c.Flags().BoolVarP(&s.withBeat, "beat", "B", false, "run a beat, too; only one worker may, unless --lock says where they agree")
	s.beatFlags(a, c)
	a.complete(c, "log-format", logging.Formats)
	a.complete(c, "pool", func() []string { return pools })
	a.complete(c, "acks", func() []string { return []string{"early", "late"} })
}

// parseDeliveries takes 0 for no bound, for which the configuration has a negative number.
func parseDeliveries(s string) (int, error) {
	n, err := atLeast(0)(s)
	if n == 0 {
		n = -1
	}
	return n, err
}

// beatFlags are those of the embedded beat that cannot be done without.
func (s *workerSetup) beatFlags(a *app, c *cobra.Command) {
	s.beat = beatFlags{lockName: "beat", cfg: beat.Config{Lease: beat.DefaultLease, MaxInterval: time.Second}}
	s.beat.cfg.CatchUp.Policy = schedule.Once
	shortFlag(a, c, &s.beat.schedule, "schedule", "s", "FILE|URL", "", "with --beat: what to send and when", anyText)
	valueFlag(a, c, &s.beat.state, "schedule-state", "FILE", "the schedule's, with .state", "with --beat: what was sent, for the next start", anyText)
	valueFlag(a, c, &s.beat.lock, "lock", "URL|none", "none, or the schedule's database", "with --beat: where beats agree on who sends", anyText)
}

// levelFlags are Celery's name, and one that goes with --log-format.
func levelFlags(a *app, c *cobra.Command, to *string) {
	shortFlag(a, c, to, "loglevel", "l", "LEVEL", *to, "least level that is logged: debug, info, warn, error; for one module: info,task=error", parseLevels)
	valueFlag(a, c, to, "log-level", "LEVEL", *to, "the same", parseLevels)
}

// logger makes the one of a worker or a beat.
func logger(a *app, formatName, levelSpec string) (*slog.Logger, error) {
	levels, err := logging.ParseLevels(levelSpec)
	if err != nil {
		return nil, err
	}
	format, err := logging.ParseFormat(formatName)
	return logging.New(a.stderr, format, levels), err
}

func parseLevels(s string) (string, error) {
	_, err := logging.ParseLevels(s)
	return s, err
}

func parseRate(s string) (string, error) {
	_, err := rate.Parse(s)
	return s, err
}

func parseAutoscale(s string) (worker.Autoscale, error) {
	most, least, both := strings.Cut(s, ",")
	var scale worker.Autoscale
	var errs [2]error
	scale.Max, errs[0] = strconv.Atoi(most)
	if both {
		scale.Min, errs[1] = strconv.Atoi(least)
	}
	if errors.Join(errs[:]...) != nil || scale.Max < 1 || scale.Min < 0 || scale.Min > scale.Max {
		return scale, errors.New("want MAX,MIN, such as 10,3")
	}
	return scale, nil
}

// parseTimeLimit takes a duration, and a bare number for seconds as Celery does.
func parseTimeLimit(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if n <= 0 || n > 1e9 || math.IsNaN(n) {
			return 0, errors.New("want seconds above 0")
		}
		return time.Duration(n * float64(time.Second)), nil
	}
	return positive(scenario.ParseDuration)(s)
}

// parseKiB takes a size, and a bare number for KiB as Celery does.
func parseKiB(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 1 || n > math.MaxInt64>>10 {
			return 0, fmt.Errorf("want KiB above 0")
		}
		return n << 10, nil
	}
	return positive(scenario.ParseSize)(s)
}
