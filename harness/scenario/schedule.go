package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// schedule finds faults that do not exist and those that cannot happen when they are to.
func (j judge) schedule() {
	var possible []*Fault
	for i := range j.s.Faults {
		path, f := join("faults", strconv.Itoa(i)), &j.s.Faults[i]
		spec, ok := j.fault(path, f)
		if !ok {
			continue
		}
		j.params(path, f, spec)
		j.span(path, f, spec)
		j.overlaps(path, f, possible)
		possible = append(possible, f)
	}
}

func (j judge) fault(path string, f *Fault) (FaultSpec, bool) {
	specs := j.faults(f.Fault)
	nodes := names(specs, func(s FaultSpec) string { return s.Node })
	switch {
	case f.Fault == "":
		j.wrong(path, "a line of the schedule needs a fault")
	case len(specs) == 0:
		j.wrong(join(path, "fault"), unknown("fault", f.Fault, names(j.Faults, func(s FaultSpec) string { return s.Name })))
	case f.Node == "":
		j.wrong(path, fmt.Sprintf("fault %s needs a node: %s", f.Fault, strings.Join(nodes, " or ")))
	case !slices.Contains(nodes, f.Node):
		j.wrong(join(path, "node"), fmt.Sprintf("fault %s cannot hurt %s: it hurts %s", f.Fault, f.Node, strings.Join(nodes, " or ")))
	default:
		return specs[slices.Index(nodes, f.Node)], true
	}
	return FaultSpec{}, false
}

func (j judge) params(path string, f *Fault, spec FaultSpec) {
	known := paramNames(spec.Params)
	for _, key := range slices.Sorted(maps.Keys(f.Params)) {
		text := f.Params[key]
		if i := slices.Index(known, key); i < 0 {
			j.wrong(join(path, key), unknown("key", key, append([]string{"at", "fault", "node", "for"}, known...)))
		} else if _, err := spec.Params[i].Parse(text); err != nil {
			j.wrong(join(path, key), err.Error())
		}
	}
}

func (j judge) span(path string, f *Fault, spec FaultSpec) {
	end := j.s.Load.For
	switch {
	case f.At < 0:
		j.wrong(join(path, "at"), fmt.Sprintf("%s is before the measured load begins: the warm-up is not for faults", FormatDuration(f.At)))
	case f.For < 0:
		j.wrong(join(path, "for"), "must not be negative")
	case spec.Lasting && f.For == 0:
		j.wrong(path, fmt.Sprintf("fault %s on %s needs for: how long it lasts", f.Fault, f.Node))
	case f.At >= end:
		j.wrong(join(path, "at"), fmt.Sprintf("%s lies outside the run, whose load ends at %s", FormatDuration(f.At), FormatDuration(end)))
	case f.At+f.For > end:
		j.wrong(join(path, "for"), fmt.Sprintf("healed at %s, after the load's end at %s: recovery would not be seen", FormatDuration(f.At+f.For), FormatDuration(end)))
	}
}

// whole tells whether a fault hurts every node of its kind.
func (j judge) whole(f *Fault) bool {
	return slices.ContainsFunc(j.faults(f.Fault), func(s FaultSpec) bool { return s.Node == f.Node && s.Whole })
}

// overlaps finds out whether a fault would hit a broker that is already hurt, or more workers than there are.
func (j judge) overlaps(path string, f *Fault, earlier []*Fault) {
	var during []string
	whole := j.whole(f)
	for _, g := range earlier {
		// Of two faults at the same moment neither leaves the other anything to hurt.
		if g.Node == f.Node && (g.At == f.At || g.At < f.At && f.At < g.At+g.For || f.At < g.At && g.At < f.At+f.For) {
			during = append(during, fmt.Sprintf("%s from %s to %s", g.Fault, FormatDuration(g.At), FormatDuration(g.At+g.For)))
			whole = whole || j.whole(g)
		}
	}
	most := 1
	if f.Node == "worker" && !whole {
		most = j.s.System.Workers
	}
	if len(during) >= most {
		j.wrong(path, fmt.Sprintf("%s at %s finds no %s to hurt: it overlaps with %s",
			f.Fault, FormatDuration(f.At), f.Node, strings.Join(during, " and ")))
	}
}
