package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/images"
	"taskbench/harness/lab/labs"
)

func (a *app) doctorCommand() *cobra.Command {
	var s server
	var at string
	c := &cobra.Command{
		Use:   "doctor [BROKER[:VARIANT|:all]]",
		Short: "Say what this machine offers; with a broker, hold it to its contract",
		Long: `doctor without an argument says what this machine has, and in which lab each broker would run and why.

With a broker it starts one, or takes the server at --url, applies every clause of the broker contract that the
variant's promises call for, and prints how each went. With BROKER:all it does so for each variant, one after another, and
with all:all for each of every broker; those that there is no place for are named and left out. Its queues are the doctor's
own; a server at --url is not restarted.

Exit codes:
  0  every clause that applies holds
  1  one does not
  2  bad usage or input
  4  the broker could not be started or reached`,
		Example:           "  bench doctor\n  bench doctor redis:aof-always\n  bench doctor redis:all\n  bench doctor rabbitmq --url amqp://127.0.0.1:5672/",
		ValidArgsFunction: a.completeBroker,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 1)
			asked := where{brokers: args, lab: s.lab, images: map[string]string{}, urls: map[string]string{}}
			if len(args) == 1 {
				for _, name := range asked.named() {
					d, _, err := all.Find(name)
					if err == nil && at != "" {
						if wrong := fits(d, at); wrong != nil {
							err = fmt.Errorf("--url: %w", wrong)
						}
					}
					a.mistake(err)
					asked.images[d.Name], asked.urls[d.Name] = s.image, at
				}
			} else if at != "" {
				a.mistake(fmt.Errorf("--url needs a broker: bench doctor BROKER --url %s", at))
			}
			if err := a.mistaken(); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.machine(c.Context(), s.lab)
			}
			return a.examineAll(c.Context(), s, at, a.chooseBrokers(c.Context(), asked))
		},
	}
	s.flags(a, c)
	valueFlag(a, c, &at, "url", "URL", "", "examine the server that answers there", anyText)
	return c
}

// machine says what there is to run brokers with, and what each would get.
func (a *app) machine(ctx context.Context, lab string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "cores\t%d\n", runtime.NumCPU())
	_, _ = fmt.Fprintf(w, "container engine\t%s\n", engineLine(ctx))
	_, _ = fmt.Fprintf(w, "images built here\t%s\n", imagesLine(ctx))
	for _, d := range all.Drivers() {
		if len(d.Server.Binaries) > 0 {
			_, _ = fmt.Fprintf(w, "%s on PATH\t%s\n", d.Server.Product, onPath(ctx, d.Server))
		}
		if d.Server.Program != "" {
			_, _ = fmt.Fprintf(w, "%s by Go\t%s\n", d.Server.Product, byGo(d))
		}
	}
	_, _ = fmt.Fprintf(w, "\nBROKER\tLAB\tWHY\n")
	for _, d := range all.Drivers() {
		where, why := place(ctx, lab, d, d.Variants[0])
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", d.Name, where, why)
		for _, v := range d.Variants[1:] { // those that have another place
			if elsewhere, why := place(ctx, lab, d, v); elsewhere != where {
				_, _ = fmt.Fprintf(w, "%s:%s\t%s\t%s\n", d.Name, v.Name, elsewhere, why)
			}
		}
	}
	return w.Flush()
}

// place is the lab where a broker would run, and why there; "-" where none can.
func place(ctx context.Context, lab string, d brokers.Driver, v brokers.Variant) (where, why string) {
	l, why, err := labs.Pick(ctx, lab, d, v, labs.Options{})
	if err != nil {
		return "-", strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return l.Name(), why
}

func engineLine(ctx context.Context) string {
	c, err := engine.Connect(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	v, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Sprintf("answers at %s, but not what it is: %v", engine.Host(), err)
	}
	return fmt.Sprintf("%s at %s", v.Version, engine.Host())
}

func imagesLine(ctx context.Context) string {
	all, err := images.List(ctx)
	if err != nil {
		return "none"
	}
	var built []string
	for _, i := range all {
		if i.ID != "" {
			built = append(built, i.Tag)
		}
	}
	if len(built) == 0 {
		return "none; `make images` builds them"
	}
	return strings.Join(built, ", ")
}

// onPath tells where the binaries of a server are; each may go by several names, separated by "|".
func onPath(ctx context.Context, s brokers.ServerSpec) string {
	var found []string
	for _, names := range s.Binaries {
		path := brokers.Binary(names)
		if path == "" {
			return "no " + strings.ReplaceAll(names, "|", " or ")
		}
		if why := s.Unfit(ctx, path); why != "" {
			return "none: " + why
		}
		found = append(found, path)
	}
	return strings.Join(found, ", ")
}

// byGo tells where the program is that Go makes of a server, and how it gets there.
func byGo(d brokers.Driver) string {
	if path := d.Server.Program.Found(); path != "" {
		return path
	}
	return fmt.Sprintf("%s is not built; name the broker, as in `bench doctor %s`, and it is", d.Server.Program, d.Name)
}
