package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
	"taskbench/worker"
	"taskbench/worker/health"
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

// A workerSetup is what `bench worker` is told, apart from the broker.
type workerSetup struct {
	cfg            worker.Config
	bindings       []string
	results        string
	resultExpires  time.Duration
	pidfile        string
	logLevel       string
	logFormat      string
	health         string
	listening      *health.Server // nil: nobody is to ask
	withoutCapture bool
	beat           beatFlags
	withBeat       bool
	ignored        bool // flags of Celery's that change nothing here
	optimization   string
}

func (a *app) workerCommand() *cobra.Command {
	var e endpoint
	s := workerSetup{cfg: worker.Config{
		Name: "worker", Queues: []string{brokers.DefaultQueue}, Pool: native.System.Pools[0], Acks: worker.Late, Grace: 10 * time.Second, Capture: true,
	}, logLevel: "info", logFormat: "text"}
	c := &cobra.Command{
		Use:   "worker --broker BROKER --url URL",
		Short: "Run a worker by itself, with the synthetic tasks",
		Long: `worker takes Celery task messages from a broker and runs them until it is interrupted; then it lets running tasks
end for the time of --grace. A second interrupt leaves at once; so does SIGQUIT, which gives running tasks back first,
after the time of --soft-shutdown-timeout. Flags are named as those of Celery's worker.

A queue of --queues may hold names in double braces, for which --value or the host gives the text: appserver_{{id}} is
a queue for each application server. --bind gives a queue a binding of its own: QUEUE=EXCHANGE:KIND:KEY.`,
		Example: `  bench worker --broker redis:aof-always --url redis://127.0.0.1:6379/0 -P prefork -c 4
  bench worker --broker amqp://127.0.0.1:5672/ -n w1@%h -Q celery,appserver_{{id}} --value id=12 -E
  bench worker --broker redis://127.0.0.1/0 --results redis://127.0.0.1/1 --autoscale 16,2
  bench worker multi --workers 3 --broker redis://127.0.0.1/0 -n w%i@%h`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			d, v, at, err := e.find()
			a.mistake(err)
			s.bind(a)
			a.mistake(s.listen())
			defer s.unlisten()
			if err := a.mistaken(); err != nil {
				return err
			}
			s.cfg.Broker, s.cfg.Variant, s.cfg.URL = d.Name, v.Name, at
			return a.work(c.Context(), &s, d, v)
		},
	}
	e.flags(a, c)
	s.flags(a, c)
	c.AddCommand(a.multiCommand())
	return c
}

// bind reads the bindings of queues.
func (s *workerSetup) bind(a *app) {
	for _, text := range s.bindings {
		queue, rest, ok := strings.Cut(text, "=")
		exchange, rest, more := strings.Cut(rest, ":")
		kind, key, _ := strings.Cut(rest, ":")
		if !ok || !more || queue == "" || exchange == "" {
			a.mistake(fmt.Errorf("--bind %s: want QUEUE=EXCHANGE:KIND:KEY", text))
			continue
		}
		s.cfg.Bindings = append(s.cfg.Bindings, brokers.Binding{
			Exchange: brokers.Exchange{Name: exchange, Kind: brokers.ExchangeKind(kind), Durable: true}, Key: key, Queue: queue,
		})
	}
}

// work runs a worker until ctx ends.
func (a *app) work(ctx context.Context, s *workerSetup, d brokers.Driver, v brokers.Variant) (err error) {
	log, err := logger(a, s.logFormat, s.logLevel)
	if err != nil {
		return inputError(err)
	}
	s.cfg.Capture = !s.withoutCapture
	backend, closeResults, err := s.openResults(ctx, d, v)
	if err != nil {
		return err
	}
	defer closeResults()
	o := worker.Options{Registry: tasks.Registry(), Driver: d, Log: log, Results: backend}
	if s.listening != nil {
		o.Metrics = health.NewMetrics(s.cfg.Complete().Name)
	}
	w, err := worker.New(s.cfg, o)
	if err != nil {
		return inputError(err)
	}
	defer s.answer(ctx, w, o)()
	if s.pidfile != "" {
		if err := writePID(s.pidfile); err != nil {
			return harness.EnvironmentError{Err: err}
		}
		defer func() { _ = os.Remove(s.pidfile) }() // gone already is as good
	}
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	defer signal.Stop(quit)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-quit:
				w.Stop(worker.Soft)
			case <-ended:
				return
			}
		}
	}()
	stopBeat := func() error { return nil }
	if s.withBeat {
		if ctx, stopBeat, err = a.beside(ctx, s, d, v); err != nil {
			return err
		}
	}
	if err := w.Run(ctx); errors.Is(err, brokers.ErrURL) {
		return errors.Join(inputError(err), stopBeat())
	} else if err != nil {
		return errors.Join(harness.EnvironmentError{Err: err}, stopBeat())
	}
	return stopBeat()
}

// beside runs a beat until stop is called. A beat that ends before, with an error, ends the context that is returned,
// and the worker with that: else nobody would notice that nothing is sent any more.
func (a *app) beside(ctx context.Context, s *workerSetup, d brokers.Driver, v brokers.Variant) (_ context.Context, stop func() error, err error) {
	if s.beat.schedule == "" {
		return ctx, nil, inputError(errors.New("what is beat to send? --schedule FILE, or leave --beat out"))
	}
	ctx, cancel := context.WithCancel(ctx)
	s.beat.format, s.beat.level = s.logFormat, s.logLevel
	s.beat.cfg.Open = func(ctx context.Context) (brokers.Broker, error) { return d.Open(ctx, s.cfg.URL, v) }
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- a.beat(ctx, s.beat)
	}()
	return ctx, func() error {
		cancel()
		if err := <-done; err != nil {
			return fmt.Errorf("beat: %w", err)
		}
		return nil
	}, nil
}
