package scenario

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Chaos is faults at random moments. Realise draws them.
//
// Faults fall due as a Poisson process. Each leaves room to recover: on the same kind of node no other fault begins
// until Rest has passed since the planned healing, but for workers, of which all but one may be hurt at a time; and
// Rest is left between the last healing and the end. A fault that finds its node taken is put off until it is free.
// One that would have to be put off by more than MTBF, or beyond the end, is left out.
type Chaos struct {
	MTBF   time.Duration // mean time between failures
	At     time.Duration // no fault before
	Until  time.Duration // the end; 0 is the load's
	Rest   time.Duration // by default defaultRest
	Seed   uint64        // 0 is the run's
	Faults []Hazard
}

// A Hazard is a fault that may happen, as often as its weight says.
type Hazard struct {
	Fault  Fault // a line without times
	Weight int
	For    Dist
}

const (
	defaultRest = 2 * time.Second
	leastMTBF   = 100 * time.Millisecond
	maxFaults   = 10_000 // of one schedule
)

// Any tells whether some fault of the schedule, certain or not, is such a one.
func (s Scenario) Any(is func(Fault) bool) bool {
	return slices.ContainsFunc(s.Faults, is) || slices.ContainsFunc(s.Chaos.Faults, func(h Hazard) bool { return is(h.Fault) })
}

func (c *Chaos) given() bool { return c.table().write() != nil }

func (c *Chaos) table() block {
	return block{fields: []field{
		{"mtbf", duration(&c.MTBF)},
		{"at", duration(&c.At)},
		{"until", positive(&c.Until, duration(&c.Until))},
		{"rest", positive(&c.Rest, duration(&c.Rest))},
		{"seed", seed(&c.Seed)},
		{"faults", list[Hazard]{to: &c.Faults, item: (*Hazard).table, line: func(h *Hazard, line int) { h.Fault.Line = line }}},
	}}
}

// timed are the keys of a line of the schedule that a hazard has not, or has otherwise.
var timed = []string{"at", "every", "until", "number", "for"}

// table is that of a line of the schedule, without what says when.
func (h *Hazard) table() value {
	b := h.Fault.block()
	b.fields = slices.DeleteFunc(b.fields, func(f field) bool { return slices.Contains(timed, f.key) })
	b.fields = append(b.fields, field{"for", distribution{&h.For}}, field{"weight", positive(&h.Weight, count(&h.Weight))})
	rest := b.rest
	b.rest = func(key string) value {
		if slices.Contains(timed, key) {
			return refused("a fault of chaos takes no " + key + ": chance says when")
		}
		return rest(key)
	}
	return b
}

// draw adds faults to the lines that are there already. The same lines, load, workers and seed give the same faults.
func (c Chaos) draw(lines []Fault, s *Scenario, seed uint64) []Fault {
	// A sequence of its own, so that nothing else that is drawn from the run's seed goes along with it.
	const schedule = 0x7363686564756c65
	r := rand.New(rand.NewPCG(seed, schedule))
	between := Dist{Kind: "exponential", Mean: c.MTBF}
	end := s.Load.For
	if c.Until > 0 {
		end = min(end, c.Until)
	}
	for due := c.At; len(lines) < maxFaults; {
		due += between.Quantile(r.Float64()).Round(time.Millisecond)
		h := c.pick(r)
		f := h.Fault
		f.At, f.For = due, h.For.Quantile(r.Float64()).Round(time.Millisecond)
		if due >= end {
			return lines
		}
		if f, ok := c.place(f, lines, s.System.Workers, end); ok {
			lines = append(lines, f)
		}
	}
	return lines
}

func (c Chaos) pick(r *rand.Rand) Hazard {
	sum := 0
	for _, h := range c.Faults {
		sum += h.Weight
	}
	n := r.IntN(sum)
	for _, h := range c.Faults {
		if n -= h.Weight; n < 0 {
			return h
		}
	}
	panic("scenario: weights that do not add up")
}

// place puts a fault off until it leaves room to recover; false when it cannot.
func (c Chaos) place(f Fault, lines []Fault, workers int, end time.Duration) (Fault, bool) {
	var near []Fault
	times := []time.Duration{f.At}
	for _, g := range lines {
		if Kind(g.Node) == Kind(f.Node) && g.Ends()+c.Rest > f.At {
			near = append(near, g)
			times = append(times, max(f.At, g.Ends()+c.Rest))
		}
	}
	most := 1
	if f.Node == "worker" {
		most = max(1, workers-1)
	}
	latest := min(f.At+c.MTBF, end-f.For-c.Rest)
	slices.Sort(times)
	for _, at := range times {
		if f.At = at; at > latest {
			break
		}
		if c.room(f, near, most) {
			return f, true
		}
	}
	return f, false
}

// room tells whether with the fault neither it nor any that it meets would meet as many as may hurt at a time.
func (c Chaos) room(f Fault, near []Fault, most int) bool {
	met := 1
	for i, g := range near {
		if !f.meets(g, c.Rest) {
			continue
		}
		met++
		with := 2
		for j, h := range near {
			if i != j && h.meets(g, c.Rest) {
				with++
			}
		}
		if with > most {
			return false
		}
	}
	return met <= most
}
