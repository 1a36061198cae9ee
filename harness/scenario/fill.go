package scenario

import (
	"slices"
	"strings"
	"time"
)

// fill puts defaults where nothing was said.
func (s *Scenario) fill(k Known) {
	// Slices and maps of a scenario are shared by its copies, until here.
	s.Workload.Tasks = slices.Clone(s.Workload.Tasks)
	s.Faults = slices.Clone(s.Faults)
	s.Chaos.Faults = slices.Clone(s.Chaos.Faults)

	var tasks []string
	for i := range s.Workload.Tasks {
		t := &s.Workload.Tasks[i]
		or(&t.Weight, 1)
		if t.Task == "io" {
			or(&t.Via, "sleep")
		}
		tasks = append(tasks, t.Task)
	}
	or(&s.Workload.Name, strings.Join(tasks, "-"))
	or(&s.Load.Shape, "poisson")
	or(&s.Load.Publishers, 64)
	or(&s.System.Name, first(k.Systems))
	or(&s.System.Pool, first(k.Pools))
	or(&s.System.Workers, 1)
	or(&s.System.Concurrency, 8)
	or(&s.System.Acks, "late")
	or(&s.System.Grace, 10*time.Second)
	if b := &s.System.Beat; b.Every > 0 {
		or(&b.Entries, 1)
		or(&b.Beats, 1)
		or(&b.CatchUp, "all")
		or(&b.Late, time.Second)
	}
	or(&s.Drain, time.Minute)
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.On != "" {
			or(&f.Nth, 1)
		}
		or(&f.For, k.place(f))
		if f.Every > 0 {
			or(&f.At, f.Every)
		}
	}
	if !s.Chaos.given() {
		return
	}
	or(&s.Chaos.Rest, defaultRest)
	for i := range s.Chaos.Faults {
		h := &s.Chaos.Faults[i]
		or(&h.Weight, 1)
		if d := k.place(&h.Fault); h.For.Zero() && d > 0 {
			h.For = Dist{Kind: "constant", P50: d}
		}
	}
}

// place fills in the node of a fault that can hurt only one, and returns how long it lasts when nobody says.
func (k Known) place(f *Fault) time.Duration {
	specs := k.faults(f.Fault)
	if len(specs) == 1 {
		or(&f.Node, specs[0].Node)
	}
	for _, spec := range specs {
		if spec.Node == Kind(f.Node) {
			return spec.Default
		}
	}
	return 0
}

func or[T comparable](to *T, otherwise T) {
	var zero T
	if *to == zero {
		*to = otherwise
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
