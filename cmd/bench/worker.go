package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
	"taskbench/worker"
)

// endpoint are the flags that name a server that runs already.
type endpoint struct{ broker, url string }

func (e *endpoint) flags(a *app, c *cobra.Command) {
	valueFlag(a, c, &e.broker, "broker", "BROKER[:VARIANT]|URL", "", "broker to connect to; its URL says which one it is", anyText)
	valueFlag(a, c, &e.url, "url", "URL", "", "where it answers", anyText)
	a.complete(c, "broker", brokerNames)
}

// find tells the driver, the variant and the URL. Either of the flags may hold the URL.
func (e endpoint) find() (brokers.Driver, brokers.Variant, string, error) {
	broker, at := e.broker, e.url
	if at == "" && strings.Contains(broker, "://") {
		broker, at = "", broker
	}
	if at == "" {
		return brokers.Driver{}, brokers.Variant{}, "", fmt.Errorf("where is the broker? --broker BROKER --url URL, or --broker URL; `bench up` starts one")
	}
	if broker == "" {
		d, err := driverOf(at)
		if err != nil {
			return d, brokers.Variant{}, "", err
		}
		return d, d.Variants[0], at, nil
	}
	d, v, err := all.Find(broker)
	if err == nil {
		err = fits(d, at)
	}
	return d, v, at, err
}

// fits refuses a URL that cannot be one of the broker's. It does not quote it: without a scheme it is not known
// where a password would stand.
func fits(d brokers.Driver, at string) error {
	scheme, _, whole := strings.Cut(at, "://")
	if !whole {
		example := d.Server.URL("127.0.0.1:PORT")
		if _, port, err := net.SplitHostPort(at); err == nil && !strings.Contains(at, "@") && port != "" {
			example = d.Server.URL(at)
		}
		return fmt.Errorf("it is no URL: want one such as %s", example)
	}
	if other, err := driverOf(scheme + "://"); err == nil && other.Name != d.Name {
		return fmt.Errorf("a URL of the scheme %s is one of broker %s, not of %s", scheme, other.Name, d.Name)
	}
	return nil
}

// driverOf finds the driver whose URLs have this one's scheme.
func driverOf(text string) (brokers.Driver, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return brokers.Driver{}, fmt.Errorf("%s is no URL", redact(text))
	}
	var known []string
	for _, d := range all.Drivers() {
		scheme, _, _ := strings.Cut(d.Server.URL("127.0.0.1:1"), ":")
		if scheme == u.Scheme {
			return d, nil
		}
		known = append(known, scheme)
	}
	return brokers.Driver{}, unknown("broker with URLs of the scheme", u.Scheme, known)
}

func (a *app) workerCommand() *cobra.Command {
	var e endpoint
	cfg := worker.Config{Name: "worker", Queues: []string{brokers.DefaultQueue}, Pool: native.System.Pools[0], Concurrency: 8, Acks: worker.Late, Grace: 10 * time.Second}
	c := &cobra.Command{
		Use:   "worker --broker BROKER --url URL",
		Short: "Run a worker by itself, with the synthetic tasks",
		Long: `worker takes Celery task messages from a broker and runs them until it is interrupted; then it lets running tasks
end for the time of --grace. A second interrupt leaves at once.`,
		Example: `  bench worker --broker redis:aof-always --url redis://127.0.0.1:6379/0 --pool prefork --concurrency 4
  bench worker --broker amqp://127.0.0.1:5672/`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			d, v, at, err := e.find()
			a.mistake(err)
			if err := a.mistaken(); err != nil {
				return err
			}
			cfg.Broker, cfg.Variant, cfg.URL = d.Name, v.Name, at
			log := slog.New(slog.NewTextHandler(a.stderr, nil))
			w, err := worker.New(cfg, worker.Options{Registry: tasks.Registry(), Driver: d, Log: log})
			if err != nil {
				return inputError(err)
			}
			if err := w.Run(c.Context()); err != nil {
				return harness.EnvironmentError{Err: err}
			}
			return nil
		},
	}
	e.flags(a, c)
	valueFlag(a, c, &cfg.Name, "name", "NAME", cfg.Name, "name of the worker in logs", anyText)
	listFlag(a, c, &cfg.Queues, "queues", "QUEUE,...", "queues to take tasks from")
	valueFlag(a, c, &cfg.Pool, "pool", "POOL", cfg.Pool, "concurrency model: "+strings.Join(native.System.Pools, ", "), oneOf(native.System.Pools...))
	valueFlag(a, c, &cfg.Concurrency, "concurrency", "N", "8", "tasks at a time", atLeast(1))
	valueFlag(a, c, &cfg.Prefetch, "prefetch", "N", "4 x concurrency", "messages held unsettled", atLeast(1))
	valueFlag(a, c, (*string)(&cfg.Acks), "acks", "WHEN", string(cfg.Acks), "early (as its task starts) or late (when it has ended)", oneOf("early", "late"))
	valueFlag(a, c, &cfg.Grace, "grace", "TIME", scenario.FormatDuration(cfg.Grace), "how long a stop waits for running tasks; 0 is for ever", notNegative(scenario.ParseDuration))
	workerLimits(a, c, &cfg.MaxTasks, &cfg.MaxMemory)
	a.complete(c, "pool", func() []string { return native.System.Pools })
	a.complete(c, "acks", func() []string { return []string{"early", "late"} })
	return c
}
