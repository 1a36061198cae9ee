package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/reports/units"
	"taskbench/worker/control"
)

// A remote is one command that workers understand.
type remote struct {
	args, doc   string // as help shows them
	least, most int    // of the arguments
	silent      bool   // workers do not answer it
	build       func(args []string) (map[string]any, error)
	show        func(*printer, json.RawMessage) // how an answer is shown; nil: as it comes
}

// anyNumber is the most arguments of a command that takes any number of them.
const anyNumber = 1 << 30

// A call is a command line that sends one.
type call struct {
	endpoint
	nodes     []string
	pattern   string
	timeout   time.Duration
	namespace string
	json      bool
}

// remoteCommand makes a command of the table of what it can send. more adds to what a command sends what flags say.
func (a *app) remoteCommand(c *cobra.Command, table map[string]remote, more func(method string, args map[string]any)) *cobra.Command {
	l := call{timeout: time.Second}
	names := slices.Sorted(maps.Keys(table))
	c.Use = c.Name() + " COMMAND [ARG...] --broker URL"
	c.Long += "\n\nCommands:\n" + commandList(names, table) + `
Workers are Celery's or ours. Without --destination and --pattern, all of them are asked, and answers are waited for until the
timeout. The exit code is 3 when nobody answered, and 1 when a worker refused or one of --destination did not answer.`
	c.ValidArgs = names
	c.RunE = func(c *cobra.Command, args []string) error {
		d, v, at, err := l.find()
		if err == nil && !v.Promised(brokers.Exchanges) {
			err = fmt.Errorf("broker %s has no exchanges, and remote control needs them", d.Name)
		}
		a.mistake(err)
		if len(l.nodes) > 0 && l.pattern != "" {
			a.mistake(errors.New("--destination and --pattern both say who is asked: take one of them"))
		}
		q, r, err := l.question(c.Name(), table, args)
		a.mistake(err)
		if err := a.mistaken(); err != nil {
			return err
		}
		if more != nil {
			more(q.Method, q.Args)
		}
		replies, err := send(c.Context(), q, func(ctx context.Context) (brokers.Broker, error) { return d.Open(ctx, at, v) })
		if err != nil {
			return harness.EnvironmentError{Err: err}
		}
		return a.answered(q, r, l.json, replies)
	}
	l.endpoint.flags(a, c)
	shorthand(c, "destination", "d", func(c *cobra.Command) { listFlag(a, c, &l.nodes, "destination", "NODE,...", "workers to ask (all)") })
	valueFlag(a, c, &l.pattern, "pattern", "GLOB", "", "ask workers whose names fit, such as 'web*@*'", anyText)
	shorthand(c, "timeout", "t", func(c *cobra.Command) {
		valueFlag(a, c, &l.timeout, "timeout", "TIME", "1s", "how long answers are waited for", positive(scenario.ParseDuration))
	})
	valueFlag(a, c, &l.namespace, "namespace", "NAME", "celery", "the workers' control_exchange", anyText)
	c.Flags().BoolVar(&l.json, "json", false, "print answers as JSON, by worker")
	return c
}

// shorthand gives the flag that add adds a letter.
func shorthand(c *cobra.Command, name, letter string, add func(*cobra.Command)) {
	var holder cobra.Command
	add(&holder)
	f := holder.Flags().Lookup(name)
	f.Shorthand = letter
	c.Flags().AddFlag(f)
}

func commandList(names []string, table map[string]remote) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, name := range names {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", strings.TrimSpace(name+" "+table[name].args), table[name].doc) // to memory
	}
	_ = w.Flush() // likewise
	return b.String()
}

// question reads the command and its arguments.
func (l call) question(verb string, table map[string]remote, args []string) (q control.Request, r remote, err error) {
	names := slices.Sorted(maps.Keys(table))
	if len(args) == 0 {
		return q, r, fmt.Errorf("which command? There is %s", strings.Join(names, ", "))
	}
	r, known := table[args[0]]
	if !known {
		return q, r, unknown("command", args[0], names)
	}
	usage := strings.TrimSpace("bench " + verb + " " + args[0] + " " + r.args)
	switch n := len(args) - 1; {
	case n < r.least:
		return q, r, fmt.Errorf("an argument is missing: %s", usage)
	case n > r.most:
		return q, r, fmt.Errorf("too many arguments: %s", usage)
	}
	q = control.Request{
		Method: args[0], Args: map[string]any{}, Destination: l.nodes, Pattern: l.pattern,
		Timeout: l.timeout, Namespace: l.namespace, Cast: r.silent,
	}
	if r.build != nil {
		q.Args, err = r.build(args[1:])
	}
	return q, r, err
}

// send opens the broker and asks.
func send(ctx context.Context, q control.Request, open func(context.Context) (brokers.Broker, error)) (map[string]json.RawMessage, error) {
	b, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	x, ok := b.(brokers.Exchanger)
	if !ok {
		return nil, errors.Join(errors.New("the broker has no exchanges"), b.Close())
	}
	replies, err := control.Send(ctx, x, q)
	if closed := b.Close(); err == nil && closed != nil {
		err = fmt.Errorf("close the connection: %w", closed)
	}
	return replies, err
}

// answered shows the answers and judges them.
func (a *app) answered(q control.Request, r remote, asJSON bool, replies map[string]json.RawMessage) error {
	if q.Cast {
		_, _ = fmt.Fprintf(a.stderr, "bench: %s is sent; workers do not answer it\n", q.Method)
		return nil
	}
	refused := 0
	p := &printer{}
	for _, node := range slices.Sorted(maps.Keys(replies)) {
		if p.answer(node, replies[node], r.show) {
			refused++
		}
	}
	if asJSON {
		if err := a.printJSON(replies); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(a.stdout, p.String()); err != nil {
		return fmt.Errorf("write the answers: %w", err)
	}
	var absent []string
	for _, node := range q.Destination {
		if _, there := replies[node]; !there {
			absent = append(absent, node)
		}
	}
	switch {
	case len(replies) == 0:
		return verdict{code: exitUndecided, text: fmt.Sprintf("no worker answered within %v", q.Timeout), explain: true}
	case len(absent) > 0:
		return verdict{code: exitFailed, text: fmt.Sprintf("%s did not answer within %v", strings.Join(absent, ", "), q.Timeout), explain: true}
	case refused > 0:
		return verdict{code: exitFailed, text: fmt.Sprintf("%s refused", units.Plural(refused, "worker")), explain: true}
	}
	_, _ = fmt.Fprintf(a.stderr, "bench: %s answered\n", units.Plural(len(replies), "worker"))
	return nil
}
