// Package labs knows every lab and picks the one that a broker is to run in.
package labs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/docker"
	"taskbench/harness/lab/embedded"
	"taskbench/harness/lab/external"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/process"
)

// The names of the labs; Auto is the first of the others that works.
const (
	Auto     = "auto"
	Docker   = "docker"
	Process  = "process"
	Embedded = "embedded"
	External = "external"
)

// Names lists what Pick takes, auto first.
func Names() []string { return []string{Auto, Docker, Process, Embedded, External} }

// Options of all labs together; the zero value is good.
type Options struct {
	Images   map[string]string   // docker: by driver, the image instead of its own
	Memory   int64               // docker: limit of each container in bytes; 0 is docker's default
	URLs     map[string]string   // external: by driver, where the server is
	Register *leftovers.Register // where what is started is written down; nil is the default one
	Make     bool                // process, embedded: also what Go has to make first; for brokers that were asked for by name
}

// An UnknownError is the name of no lab.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no lab %q: there are %s", e.Name, strings.Join(Names(), ", "))
}

// An UnfitError is a lab that cannot run the broker's server, or for auto that none can.
type UnfitError struct {
	Lab, Broker string
	Why         string
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("broker %s cannot run in lab %s: %s", e.Broker, e.Lab, e.Why)
}

// Pick returns the lab of that name for a variant of a driver, and says why it was taken. Auto takes external when a URL was
// given for the driver, and else the first of docker, process and embedded that works; why then says what kept
// the earlier ones from it. A lab that was asked for by name and does not work is an UnfitError, never another lab.
func Pick(ctx context.Context, name string, d brokers.Driver, v brokers.Variant, o Options) (l lab.Lab, why string, err error) {
	return pick(ctx, name, d, v, o.URLs[d.Name] != "", all(o))
}

func all(o Options) []lab.Lab {
	return []lab.Lab{
		docker.New(docker.Options{Images: o.Images, Memory: o.Memory, Register: o.Register}),
		process.New(process.Options{Register: o.Register, Make: o.Make}),
		embedded.New(embedded.Options{Register: o.Register, Make: o.Make}),
		external.New(external.Options{URLs: o.URLs}),
	}
}

func pick(ctx context.Context, name string, d brokers.Driver, v brokers.Variant, hasURL bool, all []lab.Lab) (lab.Lab, string, error) {
	if !slices.Contains(Names(), name) {
		return nil, "", &UnknownError{name}
	}
	because := "asked for"
	if name == Auto && hasURL {
		name, because = External, "a URL was given"
	}
	var reasons []string
	for _, l := range all {
		if name != l.Name() && (name != Auto || l.Name() == External) {
			continue
		}
		why := l.Unfit(ctx, d, v)
		switch {
		case why == "" && len(reasons) == 0 && name == Auto:
			return l, "the first choice", nil
		case why == "" && name == Auto:
			return l, strings.Join(reasons, "; "), nil
		case why == "":
			return l, because, nil
		case name != Auto:
			return nil, "", &UnfitError{l.Name(), d.Name, why}
		}
		reasons = append(reasons, "not "+l.Name()+": "+why)
	}
	return nil, "", &UnfitError{name, d.Name, strings.Join(reasons, "; ")}
}
