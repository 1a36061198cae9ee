// Package external is the lab of servers that somebody else runs: it is given a URL, checks that the server
// answers there, and hurts nothing.
package external

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// Options of the lab.
type Options struct {
	URLs map[string]string // by the name of the driver, as Driver.Open takes them
}

// patience is the default: a server that is there answers soon.
const patience = 10 * time.Second

// New returns the lab.
func New(o Options) lab.Lab { return external{o} }

type external struct{ Options }

func (external) Name() string { return "external" }

func (l external) Unfit(_ context.Context, d brokers.Driver, _ brokers.Variant) string {
	raw := l.URLs[d.Name]
	if raw == "" {
		return fmt.Sprintf("no URL was given for %s: --url %s=...", d.Name, d.Name)
	}
	if d.Server.Library {
		return "broker " + d.Name + " is a library: it needs no server, use lab embedded"
	}
	if strings.HasPrefix(raw, "sentinel://") {
		return fmt.Sprintf("the URL of %s, %s, names a server by way of others, and a run needs one that stays what it is: give that of the master", d.Name, lab.Redact(raw))
	}
	if len(brokers.URLs(raw)) > 1 {
		return several(d, raw)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return fmt.Sprintf("the URL of %s, %s, names no server", d.Name, lab.Redact(raw))
	case strings.Contains(u.Host, ","), strings.HasSuffix(u.Scheme, "+srv"):
		return several(d, raw)
	}
	return ""
}

func several(d brokers.Driver, raw string) string {
	return fmt.Sprintf("the URL of %s, %s, names several servers, and a run needs one: give that of one of them", d.Name, lab.Redact(raw))
}

func (l external) Start(ctx context.Context, r lab.Request) (lab.Node, error) {
	if why := l.Unfit(ctx, r.Driver, r.Variant); why != "" {
		return nil, fmt.Errorf("use external %s: %s", r.Driver.Name, why)
	}
	raw := l.URLs[r.Driver.Name]
	if stay := r.Driver.Server.Stay; stay != nil {
		raw = stay(raw)
	}
	if r.Patience == 0 {
		r.Patience = patience
	}
	version, err := lab.Await(ctx, r.Driver.Server, raw, r.Patience, nil)
	if err != nil {
		return nil, fmt.Errorf("use external %s at %s: %w", r.Driver.Name, lab.Redact(raw), err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("use external " + r.Driver.Name + ": its URL cannot be parsed")
	}
	return node{lab.Info{
		Name: r.Name, Lab: l.Name(), Product: r.Driver.Server.Product, Version: version,
		Addr: address(u, r.Driver), URL: raw, Settings: lab.Settings(r.Variant),
	}}, nil
}

// address is where the server listens; a URL without a port means the product's own.
func address(u *url.URL, d brokers.Driver) string {
	if u.Port() == "" && d.Server.Port != 0 {
		return fmt.Sprintf("%s:%d", u.Host, d.Server.Port)
	}
	return u.Host
}

// node is a server that is not ours.
type node struct{ info lab.Info }

func (n node) Info() lab.Info { return n.info }

func (n node) Can(a lab.Action) string {
	return fmt.Sprintf("cannot %s a server that somebody else runs (%s)", a, lab.Redact(n.info.URL))
}

func (n node) Do(_ context.Context, a lab.Action) error { return errors.New(n.Can(a)) }

func (n node) Stats(context.Context) (lab.Stats, error) {
	return lab.Stats{}, fmt.Errorf("sample %s: what a server that somebody else runs uses is not known", n.info.Name)
}

func (n node) Close(context.Context) error { return nil }
