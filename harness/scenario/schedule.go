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
	var possible []Fault
	for i := range j.s.Faults {
		path, f := join("faults", strconv.Itoa(i)), &j.s.Faults[i]
		j.step(path, f)
		spec, ok := j.fault(path, f)
		if !ok {
			continue
		}
		j.params(path, f, spec, "at", "every", "until", "fault", "node", "for", "on", "nth")
		j.span(path, f, spec)
		j.numbers(path, i)
		told := false // the rest of a periodic line would only say it again
		for _, once := range f.occurrences(j.s.Load.For) {
			told = told || j.overlaps(path, &once, possible)
			possible = append(possible, once)
		}
	}
	if len(possible) >= maxFaults {
		j.wrong("faults", fmt.Sprintf("%d faults or more: let them happen more seldom, or shorten the load", maxFaults))
	}
}

// numbers finds two lines of one number.
func (j judge) numbers(path string, i int) {
	f := &j.s.Faults[i]
	switch {
	case f.Number == 0:
	case f.Every > 0:
		j.wrong(join(path, "number"), "a periodic line has no number: each of its faults will have its own")
	case f.Number > maxFaults:
		j.wrong(join(path, "number"), fmt.Sprintf("is above %d", maxFaults))
	case slices.ContainsFunc(j.s.Faults[:i], func(g Fault) bool { return g.Number == f.Number }):
		j.wrong(join(path, "number"), fmt.Sprintf("there is a fault %d already", f.Number))
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
	case !slices.Contains(nodes, Kind(f.Node)):
		j.wrong(join(path, "node"), fmt.Sprintf("fault %s cannot hurt %s: it hurts %s", f.Fault, f.Node, strings.Join(nodes, " or ")))
	case f.Node == "beat" && j.s.System.Beat.Every == 0:
		j.wrong(join(path, "node"), fmt.Sprintf("fault %s finds no beat to hurt: there is none without beat in system", f.Fault))
	default:
		return specs[slices.Index(nodes, Kind(f.Node))], true
	}
	return FaultSpec{}, false
}

func (j judge) step(path string, f *Fault) {
	known := names(j.Steps, func(p Param) string { return p.Name })
	switch {
	case f.On == "" && f.Nth != 0:
		j.wrong(join(path, "nth"), "means nothing without on: at which step?")
	case f.On != "" && !slices.Contains(known, f.On):
		j.wrong(join(path, "on"), unknown("step", f.On, known))
	}
}

func (j judge) params(path string, f *Fault, spec FaultSpec, own ...string) {
	known := paramNames(spec.Params)
	for _, key := range slices.Sorted(maps.Keys(f.Params)) {
		text := f.Params[key]
		if i := slices.Index(known, key); i < 0 {
			j.wrong(join(path, key), unknown("key", key, append(own, known...)))
		} else if _, err := spec.Params[i].Parse(text); err != nil {
			j.wrong(join(path, key), err.Error())
		}
	}
}

func (j judge) span(path string, f *Fault, spec FaultSpec) {
	end := j.s.Load.For
	switch {
	case f.Every == 0 && f.Until > 0:
		j.wrong(join(path, "until"), "is for a fault with every: this one happens once")
	case f.Until > 0 && f.Until <= f.At:
		j.wrong(join(path, "until"), fmt.Sprintf("%s is not after the first time, at %s", FormatDuration(f.Until), FormatDuration(f.At)))
	case f.At < 0:
		j.wrong(join(path, "at"), fmt.Sprintf("%s is before the measured load begins: the warm-up is not for faults", FormatDuration(f.At)))
	case f.For < 0:
		j.wrong(join(path, "for"), "must not be negative")
	case spec.Lasting && f.For == 0:
		j.wrong(path, fmt.Sprintf("fault %s on %s needs for: how long it lasts", f.Fault, f.Node))
	case f.At >= end:
		j.wrong(join(path, "at"), fmt.Sprintf("%s lies outside the run, whose load ends at %s", FormatDuration(f.At), FormatDuration(end)))
	case f.Ends() > end:
		j.wrong(join(path, "for"), fmt.Sprintf("healed at %s, after the load's end at %s: recovery would not be seen", FormatDuration(f.Ends()), FormatDuration(end)))
	}
}

// whole tells whether a fault hurts every node of its kind.
func (j judge) whole(f *Fault) bool {
	return slices.ContainsFunc(j.faults(f.Fault), func(s FaultSpec) bool { return s.Node == Kind(f.Node) && s.Whole })
}

// overlaps finds out whether a fault would hit a broker that is already hurt, or more workers than there are.
func (j judge) overlaps(path string, f *Fault, earlier []Fault) bool {
	var during []string
	whole := j.whole(f)
	for _, g := range earlier {
		if Kind(g.Node) == Kind(f.Node) && f.meets(g, 0) {
			during = append(during, fmt.Sprintf("%s from %s to %s", g.Fault, FormatDuration(g.At), FormatDuration(g.Ends())))
			whole = whole || j.whole(&g)
		}
	}
	most := 1
	if f.Node == "worker" && !whole {
		most = j.s.System.Workers
	}
	if len(during) < most {
		return false
	}
	j.wrong(path, fmt.Sprintf("%s at %s finds no %s to hurt: it overlaps with %s",
		f.Fault, FormatDuration(f.At), f.Node, strings.Join(during, " and ")))
	return true
}

// chaos finds what chance could not choose from, or has no time for.
func (j judge) chaos() {
	c := &j.s.Chaos
	if !c.given() {
		return
	}
	if c.MTBF < leastMTBF {
		j.wrong("chaos.mtbf", fmt.Sprintf("chaos needs the mean time between failures, of at least %s", FormatDuration(leastMTBF)))
	}
	if c.At < 0 {
		j.wrong("chaos.at", fmt.Sprintf("%s is before the measured load begins: the warm-up is not for faults", FormatDuration(c.At)))
	}
	end := j.s.Load.For
	if c.Until > end {
		j.wrong("chaos.until", fmt.Sprintf("%s is after the load's end at %s", FormatDuration(c.Until), FormatDuration(end)))
	} else if c.Until > 0 {
		end = c.Until
	}
	if len(c.Faults) == 0 {
		j.wrong("chaos.faults", "chaos needs a fault to choose")
	}
	for i := range c.Faults {
		path, h := join("chaos.faults", strconv.Itoa(i)), &c.Faults[i]
		spec, ok := j.fault(path, &h.Fault)
		if !ok {
			continue
		}
		j.step(path, &h.Fault)
		j.params(path, &h.Fault, spec, "fault", "node", "for", "on", "nth", "weight")
		if spec.Whole && spec.Node == "worker" {
			j.wrong(path, fmt.Sprintf("fault %s hurts every worker, and chance leaves one unhurt: give it a line of its own", h.Fault.Fault))
		}
		if err := h.For.check(); err != nil {
			j.wrong(join(path, "for"), err.Error())
			continue
		}
		switch least := h.For.Quantile(0); {
		case spec.Lasting && h.For.Zero():
			j.wrong(path, fmt.Sprintf("fault %s on %s needs for: how long it lasts, as in 2s or {dist: uniform, min: 1s, max: 3s}", h.Fault.Fault, h.Fault.Node))
		case end > 0 && c.At+least+c.Rest >= end:
			j.wrong(path, fmt.Sprintf("never happens: from %s to %s is no time for %s of %s and %s of rest to recover",
				FormatDuration(c.At), FormatDuration(end), FormatDuration(least), h.Fault.Fault, FormatDuration(c.Rest)))
		}
	}
}
