package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
	"taskbench/worker/logging"
)

// beatFlags are what `bench beat` is told, apart from the broker.
type beatFlags struct {
	schedule, state    string
	lock, lockName     string
	zone               *time.Location
	cfg                beat.Config
	format, level      string
	list, createTables bool
}

func (a *app) beatCommand() *cobra.Command {
	var e endpoint
	f := beatFlags{format: "text", level: "info", lockName: "beat", cfg: beat.Config{Lease: beat.DefaultLease, MaxInterval: time.Second}}
	f.cfg.CatchUp.Policy = schedule.Once
	c := &cobra.Command{
		Use:   "beat --broker BROKER --url URL --schedule FILE|URL",
		Short: "Run a scheduler that sends periodic tasks when they are due",
		Long: `beat sends the tasks of a schedule until it is interrupted; then it writes down what it has sent. The schedule is a
YAML or JSON file, or a database with the tables of django-celery-beat. Changes are seen within five seconds.

Several beats of one schedule need a lock, so that each tick is sent once: --lock redis://..., or a database, which
for a schedule in a database is that one by default. The others wait, and one goes on when the first is gone.`,
		Example: `  bench beat --broker redis://127.0.0.1:6379/0 --schedule tasks.yaml
  bench beat --broker amqp://127.0.0.1:5672/ --schedule sqlite:///srv/django.db
  bench beat --schedule tasks.yaml --list`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			if f.schedule == "" {
				a.mistake(errors.New("what is there to send? --schedule FILE, or --schedule sqlite:///path/to/file.db"))
			}
			if f.list || f.createTables {
				if err := a.mistaken(); err != nil {
					return err
				}
				return a.beatAside(c.Context(), f)
			}
			d, v, at, err := e.find()
			a.mistake(err)
			if err := a.mistaken(); err != nil {
				return err
			}
			f.cfg.Open = func(ctx context.Context) (brokers.Broker, error) { return d.Open(ctx, at, v) }
			return a.beat(c.Context(), f)
		},
	}
	e.flags(a, c)
	f.flags(a, c)
	return c
}

func (f *beatFlags) flags(a *app, c *cobra.Command) {
	valueFlag(a, c, &f.schedule, "schedule", "FILE|URL", "", "what to send and when: a file, or a database", anyText)
	valueFlag(a, c, &f.state, "state", "FILE", "the schedule's, with .state", "what was sent, for the next start; of a schedule in a file", anyText)
	valueFlag(a, c, &f.lock, "lock", "URL|none", "none, or the schedule's database", "where beats agree on who sends", anyText)
	valueFlag(a, c, &f.lockName, "lock-name", "NAME", f.lockName, "one for each schedule that shares the lock's server", anyText)
	valueFlag(a, c, &f.cfg.Lease, "lease", "TIME", scenario.FormatDuration(f.cfg.Lease), "how long a beat that is silent keeps the lock", positive(scenario.ParseDuration))
	valueFlag(a, c, &f.cfg.MaxInterval, "max-interval", "TIME", scenario.FormatDuration(f.cfg.MaxInterval), "longest sleep, after which a clock that was set is noticed", positive(scenario.ParseDuration))
	valueFlag(a, c, &f.zone, "timezone", "ZONE", "UTC", "of the crontabs of a file that names none", parseZone)
	valueFlag(a, c, &f.cfg.CatchUp.Policy, "catch-up", "POLICY", string(f.cfg.CatchUp.Policy), "what becomes of missed ticks where an entry does not say: skip, once, all", schedule.ParseCatchUp)
	valueFlag(a, c, &f.cfg.CatchUp.Deadline, "deadline", "TIME", "none", "ticks that are later than this are dropped", positive(scenario.ParseDuration))
	c.Flags().BoolVar(&f.cfg.Resend, "resend", false, "send a tick again, under the same id, of which a beat that died has not said whether it was sent")
	valueFlag(a, c, &f.format, "log-format", "FORMAT", f.format, strings.Join(logging.Formats(), " or "), oneOf(logging.Formats()...))
	levelFlags(a, c, &f.level)
	c.Flags().BoolVar(&f.list, "list", false, "print the entries and when they are due, and end")
	c.Flags().BoolVar(&f.createTables, "create-tables", false, "create the tables of a schedule in a database where they are not there, and end")
	a.complete(c, "log-format", logging.Formats)
	a.complete(c, "catch-up", func() []string { return []string{"skip", "once", "all"} })
}

func parseZone(s string) (*time.Location, error) {
	loc, err := time.LoadLocation(s)
	if err != nil || s == time.Local.String() {
		return nil, errors.New("it is not in the time zone database: want a name such as Europe/Berlin")
	}
	return loc, nil
}

// inDatabase tells a URL from a file's name.
func inDatabase(text string) bool { return strings.Contains(text, "://") }

func (a *app) beat(ctx context.Context, f beatFlags) error {
	log, err := logger(a, f.format, f.level)
	if err != nil {
		return inputError(err)
	}
	f.cfg.Log = logging.For(log, "beat")
	site, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	f.cfg.Store, f.cfg.Lock = site.store, site.lock
	r, err := beat.New(f.cfg)
	if err == nil {
		err = r.Run(ctx)
	}
	if closed := site.close(); err == nil && closed != nil {
		return harness.EnvironmentError{Err: closed}
	}
	if err != nil && len(mistakesOf(err)) > 0 {
		return inputError(joined(mistakesOf(err)))
	}
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	s := r.Stats()
	f.cfg.Log.Info("beat has ended", "sent", s.Sent, "missed", s.Missed)
	return nil
}

// beatAside is what beat does without a broker.
func (a *app) beatAside(ctx context.Context, f beatFlags) error {
	if f.createTables {
		return f.create(ctx)
	}
	entries, marks, err := f.known(ctx)
	if err != nil {
		return err
	}
	now := a.now()
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ENTRY\tTASK\tSCHEDULE\tNEXT\tLAST\tRUNS")
	for _, e := range entries {
		m := marks[e.Name]
		next, err := beat.Next(e, m, now)
		if err != nil {
			return inputError(fmt.Errorf("entry %s: %w", e.Name, err))
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", e.Name, e.Task, e.Schedule, nextText(e, m, next, now), lastText(m), m.Runs)
	}
	if err := w.Flush(); err != nil {
		return harness.EnvironmentError{Err: err}
	}
	return nil
}

func nextText(e beat.Entry, m beat.Mark, next, now time.Time) string {
	switch {
	case e.Disabled:
		return "disabled"
	case m.Done || next.IsZero():
		return "over"
	case !next.After(now):
		return "missed " + timeText(next)
	}
	return timeText(next)
}

// lastText leaves out the moment at which an entry that has never run was seen first.
func lastText(m beat.Mark) string {
	if m.Runs == 0 {
		return "-"
	}
	return timeText(m.Last)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04:05 MST")
}
