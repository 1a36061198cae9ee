package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/leftovers"
)

// server are the flags that say which one server a command is about.
type server struct {
	lab   string
	image string
	port  int

	patience time.Duration
}

func (s *server) flags(a *app, c *cobra.Command) {
	s.lab = labs.Auto
	valueFlag(a, c, &s.lab, "lab", "LAB", s.lab, "where the broker runs", oneOf(labs.Names()...))
	valueFlag(a, c, &s.image, "image", "IMAGE", "", "container image instead of the usual one", anyText)
	a.complete(c, "lab", labs.Names)
}

func (a *app) upCommand() *cobra.Command {
	var s server
	c := &cobra.Command{
		Use:               "up BROKER[:VARIANT]",
		Short:             "Start one broker to work with; it stays until `bench down`",
		Example:           "  bench up redis:aof-always --port 6379\n  bench worker --broker redis:aof-always --url redis://127.0.0.1:6379/0",
		ValidArgsFunction: a.completeBroker,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			var d brokers.Driver
			var v brokers.Variant
			if len(args) == 1 {
				var err error
				d, v, err = all.Find(args[0])
				a.mistake(err)
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			a.sweepUp(c.Context())
			return a.up(c, s, d, v)
		},
	}
	s.flags(a, c)
	patienceFlag(a, c, &s.patience)
	valueFlag(a, c, &s.port, "port", "PORT", "any free one", "port on 127.0.0.1", portNumber)
	return c
}

func (a *app) up(c *cobra.Command, s server, d brokers.Driver, v brokers.Variant) error {
	if d.Server.Library {
		return inputError(fmt.Errorf("%s is a library over files: there is no server to start; use a URL such as %s", d.Name, d.Server.URL("/tmp/tasks")))
	}
	l, why, err := labs.Pick(c.Context(), s.lab, d, v, s.options(d))
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	if d.Server.Embedded != nil && l.Name() == labs.Embedded {
		return harness.EnvironmentError{Err: fmt.Errorf("start %s: it would be embedded in this process and end with it: %s", d.Name, why)}
	}
	a.making(c.Context(), l, d)
	log := filepath.Join(leftovers.Dir(), "up-"+d.Name+"-"+v.Name+".log")
	node, err := l.Start(c.Context(), lab.Request{Driver: d, Variant: v, Name: d.Name, LogPath: log, Port: s.port, Patience: s.patience, Keep: true})
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	info := node.Info()
	_, _ = fmt.Fprintf(a.stdout, "%s\n", info.URL)
	_, _ = fmt.Fprintf(a.stderr, "%s %s runs in lab %s (%s); its log is %s\n`bench down` stops it and removes its data\n", info.Product, info.Version, l.Name(), why, log)
	return nil
}

// options are those of the labs for a broker that was named.
func (s server) options(d brokers.Driver) labs.Options {
	o := labs.Options{Make: true}
	if s.image != "" {
		o.Images = map[string]string{d.Name: s.image}
	}
	return o
}

func portNumber(s string) (int, error) {
	n, err := atLeast(1)(s)
	if err != nil || n > 65535 {
		return 0, errors.New("want a port from 1 to 65535")
	}
	return n, nil
}
