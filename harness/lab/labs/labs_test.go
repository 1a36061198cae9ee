package labs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
)

// choice is a lab that is fit or not.
type choice struct{ name, unfit string }

func (c choice) Name() string                                                  { return c.name }
func (c choice) Unfit(context.Context, brokers.Driver, brokers.Variant) string { return c.unfit }
func (c choice) Start(context.Context, lab.Request) (lab.Node, error) {
	return nil, errors.New("not for starting")
}

func TestPick(t *testing.T) {
	for _, c := range []struct {
		name                      string
		ask                       string
		docker, process, embedded string // why not
		url                       bool
		want, why, err            string
	}{
		{name: "first choice", ask: Auto, want: Docker, why: "the first choice"},
		{name: "second", ask: Auto, docker: "no engine", want: Process, why: "not docker: no engine"},
		{name: "third", ask: Auto, docker: "no engine", process: "no binary", want: Embedded, why: "not docker: no engine; not process: no binary"},
		{name: "none", ask: Auto, docker: "no engine", process: "no binary", embedded: "no code", err: "cannot run in lab auto: not docker: no engine; not process: no binary; not embedded: no code"},
		{name: "never external by itself", ask: Auto, docker: "a", process: "b", embedded: "c", err: "not embedded: c"},
		{name: "a URL decides", ask: Auto, url: true, want: External, why: "a URL was given"},
		{name: "by name", ask: Process, want: Process, why: "asked for"},
		{name: "by name, whatever the URL", ask: Embedded, url: true, want: Embedded, why: "asked for"},
		{name: "by name or not at all", ask: Docker, docker: "no engine", err: "broker fake cannot run in lab docker: no engine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			labs := []lab.Lab{choice{Docker, c.docker}, choice{Process, c.process}, choice{Embedded, c.embedded}, choice{External, ""}}
			l, why, err := pick(t.Context(), c.ask, labtest.Driver(), labtest.Driver().Variants[0], c.url, labs)
			if c.err != "" {
				var unfit *UnfitError
				if !errors.As(err, &unfit) || !strings.Contains(err.Error(), c.err) || l != nil {
					t.Errorf("picked %v, error %v, want %q", l, err, c.err)
				}
				return
			}
			if err != nil || l.Name() != c.want || why != c.why {
				t.Errorf("picked %v because %q (%v), want %s because %q", l, why, err, c.want, c.why)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	_, _, err := Pick(t.Context(), "dokcer", labtest.Driver(), labtest.Driver().Variants[0], Options{})
	var unknown *UnknownError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "docker, process, embedded, external") {
		t.Errorf("error %v", err)
	}
}

// On a machine without an engine every lab that there is must be found, and docker must not be replaced.
func TestWithoutEngine(t *testing.T) {
	t.Setenv(client.EnvOverrideHost, "unix:///no/such/socket")
	d := labtest.Driver() // its binary is there
	l, why, err := Pick(t.Context(), Auto, d, d.Variants[0], Options{})
	if err != nil || l.Name() != Process || !strings.Contains(why, "not docker: broker fake has no server that runs in a container") {
		t.Errorf("picked %v because %q (%v)", l, why, err)
	}
	d.Server.Images = []string{"taskbench/none:1"}
	if _, _, err := Pick(t.Context(), Docker, d, d.Variants[0], Options{}); err == nil || !strings.Contains(err.Error(), "no container engine answers") {
		t.Errorf("docker without an engine: %v", err)
	}
	var names []string
	for _, l := range all(Options{}) {
		names = append(names, l.Name())
	}
	if !slices.Equal(append([]string{Auto}, names...), Names()) {
		t.Errorf("there are labs %v, but Names says %v", names, Names())
	}
}
