package scenario

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// A Fault is one line of the schedule: plain, or periodic where Every is not 0. A plain line happens once.
type Fault struct {
	At     time.Duration // since the measured load began; of a periodic line the first time, by default after one Every
	Every  time.Duration // 0 is once
	Until  time.Duration // a periodic line does not begin again from here on; 0 is the load's end
	On     string        // the protocol step at which it happens, from At on; "" happens at At
	Nth    int           // which message at that step, counted from At; 1 is the first
	Fault  string
	Node   string // broker or worker, or the address of one server of a broker: see Kind
	For    time.Duration
	Params map[string]string // as they are written, each by the type that the fault gives it; nil when there are none
	Number int               // names a plain line in reports, and chooses its victims; 0 until Realise gives it one
	Line   int
}

// Ends is when a plain line is to be healed.
func (f Fault) Ends() time.Duration { return f.At + f.For }

// occurrences are the plain lines that a line stands for, in order of time: those of a periodic line that are healed
// by the load's end, and no more than maxFaults.
func (f Fault) occurrences(end time.Duration) []Fault {
	if f.Every <= 0 {
		return []Fault{f}
	}
	until := end
	if f.Until > 0 {
		until = min(end, f.Until)
	}
	var list []Fault
	once := f
	once.Every, once.Until = 0, 0
	for ; once.At < until && once.Ends() <= end && len(list) < maxFaults; once.At += f.Every {
		once.Params = maps.Clone(f.Params)
		list = append(list, once)
	}
	return list
}

// meets tells whether two plain lines would hurt at the same time, or within a rest after one of them. Of two at the
// same moment neither leaves the other anything to hurt.
func (f Fault) meets(g Fault, rest time.Duration) bool {
	return g.At == f.At || g.At < f.At && f.At < g.Ends()+rest || f.At < g.At && g.At < f.Ends()+rest
}

// table of a fault takes keys that it does not know as parameters: which there are, and of which type, is the fault's
// to say, and its name may stand after them.
func (f *Fault) table() value { return f.block() }

func (f *Fault) block() block {
	param := func(key string) value {
		return scalar{
			parse: func(text string) error {
				if f.Params == nil {
					f.Params = map[string]string{}
				}
				f.Params[key] = text
				return nil
			},
			format: func() any {
				if n, err := strconv.Atoi(f.Params[key]); err == nil && strconv.Itoa(n) == f.Params[key] {
					return n // without quotation marks
				}
				return f.Params[key]
			},
		}
	}
	return block{
		fields: []field{
			// At is written even when it is 0: a schedule without times reads badly.
			{"at", always(&f.At)},
			{"every", positive(&f.Every, duration(&f.Every))},
			{"until", positive(&f.Until, duration(&f.Until))},
			{"fault", text(&f.Fault)},
			{"node", text(&f.Node)},
			{"for", duration(&f.For)},
			{"on", text(&f.On)},
			{"nth", positive(&f.Nth, count(&f.Nth))},
			{"number", positive(&f.Number, count(&f.Number))},
		},
		rest: param,
		extra: func() (all []field) {
			for _, key := range slices.Sorted(maps.Keys(f.Params)) {
				all = append(all, field{key, param(key)})
			}
			return all
		},
	}
}
