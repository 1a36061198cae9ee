package reports

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/units"
)

// A pair is one line of a list of facts.
type pair struct{ Name, Value string }

// lower is the name for the middle of a sentence: Host is host, and CPU stays.
func (p pair) lower() string {
	if len(p.Name) > 1 && p.Name[1] >= 'a' {
		return strings.ToLower(p.Name[:1]) + p.Name[1:]
	}
	return p.Name
}

// conditions are the circumstances that a comparison holds under. Where cells differ, all values are listed.
func conditions(r harness.Result) []pair {
	if len(r.Cells) == 0 {
		return append(machine(r), pair{"Seed", fmt.Sprint(r.Seed)})
	}
	each := func(of func(harness.Cell) string) string {
		var vs []string
		for _, c := range r.Cells {
			if v := of(c); v != "" && !slices.Contains(vs, v) {
				vs = append(vs, v)
			}
		}
		slices.Sort(vs)
		return strings.Join(vs, ", ")
	}
	count := func(of func(harness.Cell) int) string {
		return each(func(c harness.Cell) string {
			if of(c) == 0 {
				return ""
			}
			return units.Count(of(c))
		})
	}
	repeats := 0
	for _, g := range groupsOf(r) {
		repeats = max(repeats, len(g.Cells))
	}
	ps := []pair{
		{"Workload", each(func(c harness.Cell) string { return c.Workload })},
		{"Load", each(func(c harness.Cell) string {
			if c.Load.Rate == 0 {
				return c.Load.Shape
			}
			return strings.TrimSpace(units.Number(c.Load.Rate) + " tasks/s " + c.Load.Shape)
		})},
		{"Duration", each(func(c harness.Cell) string {
			switch {
			case c.Load.For == 0:
				return ""
			case c.Load.Warmup == 0:
				return units.Seconds(c.Load.For)
			}
			return units.Seconds(c.Load.For) + " after " + units.Seconds(c.Load.Warmup) + " of warm-up"
		})},
		{"Repeats", units.Count(repeats)},
		{"Workers", each(func(c harness.Cell) string {
			if c.Workers == 0 {
				return ""
			}
			return fmt.Sprintf("%d × concurrency %d", c.Workers, c.Concurrency)
		})},
		{"Acks", each(func(c harness.Cell) string { return c.Acks })},
		{"Prefetch", count(func(c harness.Cell) int { return c.Prefetch })},
		{"System", each(func(c harness.Cell) string { return c.System })},
		{"Lab", each(func(c harness.Cell) string { return c.Lab })},
		{"Servers", each(func(c harness.Cell) string { return c.Server })},
		{"Seed", fmt.Sprint(r.Seed)},
	}
	return said(append(ps, machine(r)...))
}

func machine(r harness.Result) []pair {
	p := r.Provenance
	ps := []pair{{"Host", p.Host}, {"CPU", p.CPU}, {"Cores", ""}, {"Memory", ""}, {"Kernel", p.Kernel}}
	if p.CPUs > 0 {
		ps[2].Value = fmt.Sprint(p.CPUs)
	}
	if p.Memory > 0 {
		ps[3].Value = units.Bytes(float64(p.Memory))
	}
	return said(ps)
}

// provenance is what produced the numbers, apart from the conditions.
func provenance(r harness.Result) []pair {
	p := r.Provenance
	ps := []pair{
		{"taskbench", p.Version}, {"Started", p.Started}, {"Go", p.Go}, {"Operating system", p.OS}, {"Kernel", p.Kernel},
		{"Host", p.Host}, {"CPU", p.CPU}, {"Seed", fmt.Sprint(r.Seed)}, {"Result schema", fmt.Sprint(r.Schema)},
	}
	if p.WorkUnit > 0 {
		ps = append(ps, pair{"CPU calibration", units.Number(p.WorkUnit) + " iterations a CPU-millisecond"})
	}
	return said(ps)
}

// said leaves out what has no value.
func said(ps []pair) []pair {
	return slices.DeleteFunc(ps, func(p pair) bool { return p.Value == "" })
}
