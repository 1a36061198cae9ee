package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/worker/control"
	"taskbench/worker/event"
)

// askEvery is how often workers are asked to send task events: some may have come since. Monitors of Celery do the same.
const askEvery = 5 * time.Second

func (a *app) eventsCommand() *cobra.Command {
	var e endpoint
	var m monitor
	kind, length := "*", time.Duration(0)
	c := &cobra.Command{
		Use:   "events --broker URL",
		Short: "Show what workers and tasks are doing, live, and record it",
		Long: `events listens to the monitoring events that workers send, Celery's and ours, and shows each as it comes. At the end,
by Ctrl-C or after --for, it says what the workers and tasks came to, and exits with 0.

Workers tell of themselves always, and of their tasks only when they were started so or are asked to: --enable asks them.
--dump records each event as the JSON that was sent, one a line.`,
		Example: `  bench events --broker redis://127.0.0.1:6379/0 --enable
  bench events --broker amqp://127.0.0.1:5672/ --for 1m --dump events.jsonl --type 'task-*'`,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			d, v, at, err := e.find()
			a.mistake(err)
			if _, err := path.Match(kind, ""); err != nil {
				a.mistake(fmt.Errorf("--type %s: want a pattern such as task-*: %w", kind, err))
			}
			if m.json && m.dump == "-" {
				a.mistake(errors.New("--json and --dump - both write events to stdout: take one of them"))
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			ctx, stop := context.WithCancelCause(c.Context())
			defer stop(nil)
			if length > 0 {
				limit := time.AfterFunc(length, func() { stop(nil) })
				defer limit.Stop()
			}
			m.app, m.kind, m.stop = a, kind, stop
			m.receiver.Clock = new(event.Clock)
			m.state = event.NewState(0, 0)
			return m.run(ctx, func() (brokers.Broker, error) { return d.Open(ctx, at, v) }, d.Name)
		},
	}
	e.flags(a, c)
	valueFlag(a, c, &m.dump, "dump", "FILE|-", "", "record each event as a line of JSON; - is stdout", anyText)
	c.Flags().BoolVar(&m.json, "json", false, "show events as JSON, one a line")
	valueFlag(a, c, &kind, "type", "PATTERN", kind, "types to show and record", anyText)
	valueFlag(a, c, &length, "for", "TIME", "until interrupted", "how long", positive(scenario.ParseDuration))
	c.Flags().BoolVar(&m.enable, "enable", false, "ask workers to send events of their tasks")
	return c
}

// A monitor is `bench events` at work.
type monitor struct {
	app    *app
	dump   string
	kind   string
	json   bool
	enable bool

	receiver event.Receiver
	state    *event.State
	record   *recording // nil: none
	out      *bufio.Writer
	events   int
	stop     context.CancelCauseFunc // ends it all, with what went wrong
}

// run listens until ctx ends. A connection that is lost later on is made anew.
func (m *monitor) run(ctx context.Context, open func() (brokers.Broker, error), broker string) (err error) {
	m.out = bufio.NewWriter(m.app.stdout)
	if m.dump != "" && m.dump != "-" {
		if m.record, err = newRecording(m.dump); err != nil {
			return inputError(err)
		}
		defer func() { err = errors.Join(err, m.record.close()) }()
	}
	began := m.app.now()
	said := ""
	for first := true; ; first = false {
		err := m.listen(ctx, open, broker)
		if ctx.Err() != nil {
			break
		}
		if first && !errors.As(err, new(lostError)) {
			return err
		}
		if said != err.Error() { // once for an outage
			said = err.Error()
			_, _ = fmt.Fprintf(m.app.stderr, "bench: %v; connecting again\n", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	m.summary(m.app.now().Sub(began))
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, errInterrupted) {
		return harness.EnvironmentError{Err: cause}
	}
	return nil
}

// A lostError is the end of a connection that had been working.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// listen is one connection.
func (m *monitor) listen(ctx context.Context, open func() (brokers.Broker, error), broker string) error {
	b, err := open()
	if err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("connect to %s: %w", broker, err)}
	}
	defer func() { _ = b.Close() }()
	x, ok := b.(brokers.Exchanger)
	if !ok {
		return inputError(fmt.Errorf("broker %s carries no events", broker))
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	ready := false
	err = m.receiver.Listen(ctx, x, func() {
		ready = true
		_, _ = fmt.Fprintf(m.app.stderr, "bench: listening to events on %s; Ctrl-C ends it\n", broker)
		go m.ask(ctx, x)
	}, m.take)
	if err != nil && ready {
		return lostError{err}
	}
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	return nil
}

// ask wakes the workers up, so that they are seen at once, and asks them for events of tasks.
func (m *monitor) ask(ctx context.Context, x brokers.Exchanger) {
	methods := []string{"heartbeat"}
	if m.enable {
		methods = append(methods, "enable_events")
	}
	for {
		for _, method := range methods {
			_, err := control.Send(ctx, x, control.Request{Method: method, Cast: true, Clock: m.receiver.Clock})
			if err != nil && ctx.Err() == nil { // a lost connection is told of where it is listened to
				_, _ = fmt.Fprintf(m.app.stderr, "bench: ask workers for events: %v\n", err)
			}
		}
		if !m.enable {
			return
		}
		methods = []string{"enable_events"}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askEvery):
		}
	}
}

// take is given each event.
func (m *monitor) take(e event.Event) {
	m.state.Apply(e)
	if match, _ := path.Match(m.kind, e.Type); !match {
		return
	}
	m.events++
	if m.record != nil {
		if err := m.record.write(e.Raw); err != nil {
			m.stop(err)
			return
		}
	}
	var err error
	if m.json || m.dump == "-" {
		_, err = m.out.Write(append(line(e.Raw), '\n'))
	} else {
		_, err = io.WriteString(m.out, m.text(e)+"\n")
	}
	if err == nil {
		err = m.out.Flush()
	}
	if err != nil {
		m.stop(fmt.Errorf("write an event to stdout: %w", err))
	}
}

// A recording is a file of events, one a line. What is in it is whole lines, also when the disk is full.
type recording struct {
	file   *os.File
	events int
	size   int64
}

func newRecording(name string) (*recording, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--dump %s: %w", name, errors.Unwrap(err))
	}
	return &recording{file: f}, nil
}

func (r *recording) write(raw []byte) error {
	n, err := r.file.Write(append(line(raw), '\n'))
	if err != nil {
		_ = r.file.Truncate(r.size) // a part of a line helps nobody; not all files can be cut
		return fmt.Errorf("record events in %s: %w; %d events are recorded", r.file.Name(), errors.Unwrap(err), r.events)
	}
	r.size += int64(n)
	r.events++
	return nil
}

func (r *recording) close() error {
	if err := r.file.Close(); err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("record events: %w", err)}
	}
	return nil
}
