package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/scenario"
)

// A Member is one server of a broker that is several, and how clients reach it.
type Member struct {
	Node         lab.Node
	Proxy        *proxy.Proxy
	Via, SendVia string // as Target's
}

// An aim is the member that a fault was aimed at.
type aim struct {
	name   string
	others []Member
	all    int
	led    string // who led the queue before
}

// Aim narrows the target to the node at the address of a line: one member where it names one, and all of the broker else. Who
// leads, and who holds a copy, the servers themselves are asked.
func (t Target) Aim(ctx context.Context, address string) (Target, error) {
	if scenario.Kind(address) == address {
		return t, nil
	}
	s, _, err := t.ask(ctx, t.Members)
	if err != nil {
		return t, fmt.Errorf("find out who is %s: %w", address, err)
	}
	name := ""
	switch address {
	case scenario.Leader:
		name = s.Leader
	case scenario.Replica:
		copies := slices.DeleteFunc(slices.Clone(s.Replicas), func(r string) bool { return r == s.Leader })
		if len(copies) > 0 {
			name = copies[t.Rand.IntN(len(copies))]
		}
	default:
		name = address
	}
	i := slices.IndexFunc(t.Members, func(m Member) bool { return m.Node.Info().Name == name })
	if i < 0 {
		return t, fmt.Errorf("queue %s has no %s: led by %q, held by %s", t.Queue, address, s.Leader, strings.Join(s.Replicas, ", "))
	}
	m := t.Members[i]
	t.Broker, t.Proxy, t.Via, t.SendVia = m.Node, m.Proxy, m.Via, m.SendVia
	t.aim = &aim{name: name, others: slices.Delete(slices.Clone(t.Members), i, i+1), all: len(t.Members), led: s.Leader}
	return t, nil
}

// Strike injects the fault into what the target was aimed at. Of a member it is healed once the others say that it holds its
// copy of the queue again.
func (f Fault) Strike(ctx context.Context, t Target, a Args) (Effect, error) {
	e, err := f.Inject(ctx, t, a)
	if err != nil || t.aim == nil {
		return e, err
	}
	inner := e.Heal
	e.Heal = func(ctx context.Context) (string, error) {
		proof, err := inner(ctx)
		if err != nil {
			return proof, err
		}
		said, err := t.whole(ctx)
		return proof + "; " + said, err
	}
	if f.Absent && e.Proof != "" {
		said, err := t.without(ctx)
		if err != nil {
			return Effect{}, withdraw(ctx, e.Heal, err)
		}
		e.Proof += "; " + said
	}
	return e, nil
}

// noticed is how long the others may take to see that a member is gone, and to elect another leader.
const noticed = 30 * time.Second

// without waits until the others say that the victim is gone, and that one of them leads the queue.
func (t Target) without(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	v := t.aim
	return t.until(ctx, v.others, fmt.Sprintf("%s is gone and another leads queue %s", v.name, t.Queue), func(s brokers.Standing) bool {
		return !slices.Contains(s.Replicas, v.name) && s.Leader != "" && s.Leader != v.name
	})
}

// whole waits until each member holds its copy of the queue again.
func (t Target) whole(ctx context.Context) (string, error) {
	return t.until(ctx, t.aim.others, fmt.Sprintf("all members hold queue %s", t.Queue), func(s brokers.Standing) bool {
		return len(s.Replicas) == t.aim.all && s.Leader != ""
	})
}

// until asks the members again and again until what they say is so.
func (t Target) until(ctx context.Context, members []Member, what string, is func(brokers.Standing) bool) (string, error) {
	for {
		s, by, err := t.ask(ctx, members)
		if err == nil && is(s) {
			return fmt.Sprintf("%s says: queue %s is led by %s (before: %s) and held by %s", by, t.Queue, s.Leader, t.aim.led, strings.Join(s.Replicas, ", ")), nil
		}
		if waitFor(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return "", errors.Join(fmt.Errorf("wait until %s: led by %q, held by %v: %w", what, s.Leader, s.Replicas, ctx.Err()), err)
		}
	}
}

// ask asks the members in turn how the queue stands until one tells, and returns who did.
func (t Target) ask(ctx context.Context, members []Member) (s brokers.Standing, by string, err error) {
	const patience = 15 * time.Second
	var errs []error
	for _, m := range members {
		in, ok := m.Node.(lab.Insider)
		if !ok {
			errs = append(errs, fmt.Errorf("no command can be run beside %s", m.Node.Info().Name))
			continue
		}
		asking, cancel := context.WithTimeout(ctx, patience)
		s, err := t.Driver.Server.Cluster.Standing(asking, brokers.Console{URL: m.Node.Info().URL, Run: in.Run}, t.Queue)
		cancel()
		if err == nil {
			return s, m.Node.Info().Name, nil
		}
		errs = append(errs, err)
	}
	return s, "", errors.Join(errs...)
}
