package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskbench/harness"
)

// identity is what the repeats of one cell have in common.
type identity struct {
	Workload, Under, Broker, Variant, Pool, System, Lab, Acks string
	Workers, Concurrency, Prefetch                            int
	Rate                                                      float64
}

func identify(c harness.Cell) identity {
	return identity{c.Workload, c.Under, c.Broker, c.Variant, c.Pool, c.System, c.Lab, c.Acks, c.Workers, c.Concurrency, c.Prefetch, c.Load.Rate}
}

func (a identity) compare(b identity) int {
	return cmp.Or(cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Under, b.Under), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Variant, b.Variant),
		cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.System, b.System), cmp.Compare(a.Lab, b.Lab), cmp.Compare(a.Acks, b.Acks),
		cmp.Compare(a.Workers, b.Workers), cmp.Compare(a.Concurrency, b.Concurrency), cmp.Compare(a.Prefetch, b.Prefetch), cmp.Compare(a.Rate, b.Rate))
}

// broker names the broker and how it is set up: redis:aof-always.
func (a identity) broker() string {
	if a.Variant == "" {
		return a.Broker
	}
	return a.Broker + ":" + a.Variant
}

// A group is one cell with all of its repeats.
type group struct {
	identity
	Label string // tells the group from every other one in the result, and says no more than that
	Short string // the same without the broker, for where the broker is said
	Cells []harness.Cell
}

// groupsOf gathers the repeats, in an order that does not depend on the one they ran in.
func groupsOf(r harness.Result) []group {
	byKey := map[identity]int{}
	var gs []group
	for _, c := range r.Cells {
		k := identify(c)
		i, known := byKey[k]
		if !known {
			i = len(gs)
			byKey[k] = i
			gs = append(gs, group{identity: k})
		}
		gs[i].Cells = append(gs[i].Cells, c)
	}
	slices.SortFunc(gs, func(a, b group) int { return a.compare(b.identity) })
	parts := naming(gs)
	for i := range gs {
		slices.SortStableFunc(gs[i].Cells, func(a, b harness.Cell) int { return cmp.Compare(a.Repeat, b.Repeat) })
		said := parts(gs[i].identity)
		gs[i].Label = strings.Join(append([]string{gs[i].broker()}, said...), " · ")
		gs[i].Short = strings.Join(said, " · ")
		if gs[i].Short == "" {
			gs[i].Short = gs[i].broker()
		}
	}
	return gs
}

// naming returns a function that says of a cell what has to be said beside its broker: the pool, and whatever else
// tells it from the other cells of that broker and pool.
func naming(gs []group) func(identity) []string {
	ways := []func(identity) string{
		func(k identity) string { return k.Workload },
		func(k identity) string { return orCalm(k.Under) },
		func(k identity) string { return k.System },
		func(k identity) string { return k.Lab },
		func(k identity) string { return "acks " + k.Acks },
		func(k identity) string { return fmt.Sprintf("%d × %d", k.Workers, k.Concurrency) },
		func(k identity) string { return fmt.Sprintf("prefetch %d", k.Prefetch) },
		func(k identity) string { return fmt.Sprintf("%g/s", k.Rate) },
	}
	return func(k identity) []string {
		var said []string
		if k.Pool != "" {
			said = append(said, k.Pool)
		}
		for _, way := range ways {
			if slices.ContainsFunc(gs, func(g group) bool {
				return g.broker() == k.broker() && g.Pool == k.Pool && way(g.identity) != way(k)
			}) {
				said = append(said, way(k))
			}
		}
		return said
	}
}

// Outcome is the worst of the repeats.
func (g group) Outcome() harness.Outcome {
	for _, o := range []harness.Outcome{harness.Fail, harness.Void, harness.Undecided, harness.Unfit} {
		if g.has(o) > 0 {
			return o
		}
	}
	return harness.Pass
}

func (g group) has(o harness.Outcome) int {
	n := 0
	for _, c := range g.Cells {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// worst is the repeat that a sentence about the group is about: of the worst outcome, the one that lost most.
func (g group) worst() harness.Cell {
	o, at := g.Outcome(), -1
	for i, c := range g.Cells {
		if c.Outcome == o && (at < 0 || c.Counts.Lost > g.Cells[at].Counts.Lost) {
			at = i
		}
	}
	return g.Cells[at]
}

// measured tells whether a cell's numbers count: it ran, and under the load that was asked for.
func measured(c harness.Cell) bool { return c.Outcome != harness.Void && c.Outcome != harness.Unfit }

func (g group) stat(m Metric) Stat {
	var values []float64
	for _, c := range g.Cells {
		if v, ok := m.Of(c); ok && measured(c) {
			values = append(values, v)
		}
	}
	return statOf(values)
}

// interrupted returns what the run says about having been interrupted, or "".
func interrupted(r harness.Result) string {
	for _, w := range r.Warnings {
		if strings.HasPrefix(strings.ToLower(w), "interrupted") {
			return w
		}
	}
	return ""
}
