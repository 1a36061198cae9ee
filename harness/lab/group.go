package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
)

// NewGroup returns the node that stands for the members, which run. It is named name. Formed returns once the members stand
// together, and last removes what they had in common; both get a context of their own callers.
func NewGroup(name string, members []Node, formed, last func(context.Context) error) Group {
	g := &group{members: members, formed: formed, last: last, info: members[0].Info()}
	var urls []string
	for _, m := range members {
		urls = append(urls, m.Info().URL)
	}
	g.info.Name, g.info.URL, g.info.Addr, g.info.PID = name, brokers.JoinURLs(urls), "", 0
	return g
}

type group struct {
	members      []Node
	formed, last func(context.Context) error
	info         Info
	fresh        atomic.Bool // the data of all of them are gone
}

func (g *group) Members() []Node { return g.members }
func (g *group) Info() Info      { return g.info }

func (g *group) Can(a Action) string {
	if a == Isolate || a == Rejoin {
		return fmt.Sprintf("all of a cluster cannot be %sd: one member can", a)
	}
	for _, m := range g.members {
		if why := m.Can(a); why != "" {
			return why
		}
	}
	return ""
}

// Do does it to all members at once: servers that were killed together may wait for each other when they start. Only those
// without any data start one after the other, since the first is whom the others join.
func (g *group) Do(ctx context.Context, a Action) error {
	if why := g.Can(a); why != "" {
		return fmt.Errorf("%s %s: %s", a, g.info.Name, why)
	}
	rest := g.members
	if a == Start && g.fresh.Load() {
		if err := rest[0].Do(ctx, a); err != nil {
			return err
		}
		rest = rest[1:]
	}
	err := each(rest, func(m Node) error { return m.Do(ctx, a) })
	switch {
	case err != nil:
		return err
	case a == Start:
		g.fresh.Store(false)
		return g.formed(ctx)
	case a == Wipe:
		g.fresh.Store(true)
	}
	return nil
}

// Stats is the sum.
func (g *group) Stats(ctx context.Context) (Stats, error) {
	var sum Stats
	for _, m := range g.members {
		s, err := m.Stats(ctx)
		if err != nil {
			return Stats{}, err
		}
		sum.CPUSeconds, sum.RSS = sum.CPUSeconds+s.CPUSeconds, sum.RSS+s.RSS
		sum.FDs, sum.Conns = plus(sum.FDs, s.FDs), plus(sum.Conns, s.Conns)
	}
	return sum, nil
}

// plus adds what is known; of what is not, the sum is not known either.
func plus(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

func (g *group) Close(ctx context.Context) error {
	return errors.Join(each(g.members, func(m Node) error { return m.Close(ctx) }), g.last(ctx))
}

// each does something to every member at once.
func each(members []Node, do func(Node) error) error {
	errs := make([]error, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() { errs[i] = do(m) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Single says why a lab that knows no servers which stand together cannot run the variant, or "".
func Single(lab string, v brokers.Variant) string {
	if v.Members <= 1 {
		return ""
	}
	return fmt.Sprintf("variant %s is %d servers that stand together, and lab %s starts them one by one: use lab docker", v.Name, v.Members, lab)
}
