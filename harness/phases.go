package harness

import (
	"slices"

	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// phasesOf divides the run by what really happened: warmup; steady until a fault is injected; fault while one is
// in force; recovery from the last healing until the load ends or another fault begins; drain. Times are
// nanoseconds since the load began.
func phasesOf(l scenario.Load, c course) []ledger.Phase {
	var spans []ledger.Phase
	add := func(name string, from, to int64) {
		if to > from {
			spans = append(spans, ledger.Phase{Name: name, From: from, To: to})
		}
	}
	paced := c.paced
	add("warmup", 0, int64(l.Warmup))

	at, calm := int64(l.Warmup), "steady"
	for _, f := range merged(c.faults) {
		from, to := min(f.at, paced), min(f.until, paced)
		add(calm, at, from)
		add("fault", max(at, from), to)
		at, calm = max(at, to), "recovery"
	}
	add(calm, at, paced)
	add("drain", paced, max(c.drain.ended, c.loadEnd))
	return spans
}

// A force is a span in which at least one fault was in force.
type force struct{ at, until int64 }

// merged joins overlapping faults. A fault that was never healed lasts for ever.
func merged(list []injection) []force {
	var spans []force
	for _, i := range list {
		if i.inEffect == 0 {
			continue
		}
		until := i.healed
		if until == 0 {
			until = 1 << 62
		}
		spans = append(spans, force{i.at, until})
	}
	slices.SortFunc(spans, func(a, b force) int { return int(a.at - b.at) })
	var out []force
	for _, f := range spans {
		if n := len(out); n > 0 && f.at <= out[n-1].until {
			out[n-1].until = max(out[n-1].until, f.until)
			continue
		}
		out = append(out, f)
	}
	return out
}
