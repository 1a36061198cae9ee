package checks

import (
	"slices"

	"taskbench/harness/ledger"
)

// Counts are the totals of a history. The classes are those of the checks of the same names.
type Counts struct {
	Due          int
	Attempted    int
	Acknowledged int
	Refused      int
	Unknown      int
	Executed     int // distinct tasks run to their end at least once, expected or not
	Lost         int
	Destroyed    int // of the lost: by a fault, by design
	Duplicated   int
	Recovered    int
	Unexpected   int
	Orphaned     int
	Stuck        int
	Retried      int
	Concurrent   int
	Failed       int // distinct tasks that were executed and never ended well
	Malformed    int // messages kept aside, those of other runs among them
	Phantom      int // lost and never delivered
	Redelivered  int // received after an acknowledged completion
	Stalls       int
	Foreign      int // events about messages of other runs

	// LossOpen says why Lost is only what is lost so far; "" when it is final.
	LossOpen string
}

// A Judged is one check with its verdict.
type Judged struct {
	Name, Doc string
	Verdict
}

// A Report is what all checks say of one history. Tasks that were due in the warm-up are not measured: Counts,
// Guarantee and Verdicts leave them out, and WarmUp has their counts. Check accounting alone looks at the whole.
type Report struct {
	Counts    Counts
	WarmUp    Counts
	Guarantee string
	Verdicts  []Judged // by name of the check
}

// Run judges a history by all checks, in one pass over it, or two where it has a warm-up.
func Run(h ledger.History) Report {
	whole := runAll(h)
	part, less := withoutWarmUp(h)
	if !less {
		return whole
	}
	r := runAll(part)
	r.WarmUp = whole.Counts.minus(r.Counts)
	for i, j := range r.Verdicts {
		if j.Name == "accounting" {
			r.Verdicts[i].Verdict = whole.Verdict(j.Name)
		}
	}
	return r
}

// Count counts the tasks of a part of a history, those that were due in the warm-up apart: what shows of each task by
// itself. It is for a piece of a history that goes on: verdicts need the whole.
func Count(piece ledger.History) (measured, warmUp Counts) {
	var tasks []Check
	for _, c := range All() {
		if total := new(Counts).of(c.Name); total != nil && c.Name != "stall" {
			tasks = append(tasks, c)
		}
	}
	whole := runThese(piece, tasks).Counts
	part, less := withoutWarmUp(piece)
	if !less {
		return whole, Counts{}
	}
	measured = runThese(part, tasks).Counts
	return measured, whole.minus(measured)
}

func runAll(h ledger.History) Report { return runThese(h, All()) }

func runThese(h ledger.History, all []Check) Report {
	var c Counts
	counter := Check{begin: func(sc *scope) judge {
		c.Foreign = sc.nForeign
		return judge{see: c.add, end: func() Verdict { return Verdict{} }}
	}}
	verdicts := pass(h, append(slices.Clip(all), counter))
	r := Report{}
	for i, check := range all {
		v := verdicts[i]
		r.Verdicts = append(r.Verdicts, Judged{check.Name, check.Doc, v})
		if total := c.of(check.Name); total != nil {
			*total = v.Count
		}
		if check.Name == "lost" && v.Outcome == Undecided {
			c.LossOpen = v.Why
		}
	}
	r.Counts, r.Guarantee = c, Guarantee(c)
	return r
}

// add counts what is no check's finding.
func (c *Counts) add(s *subject) {
	if !s.stray {
		c.Due++
	}
	switch {
	case s.acknowledged():
		c.Acknowledged++
	case s.refused():
		c.Refused++
	case s.unknown():
		c.Unknown++
	}
	if s.attempted() {
		c.Attempted++
	}
	if s.executed() {
		c.Executed++
		if !s.succeeded {
			c.Failed++
		}
	}
}

// of is the total that a check's count is, or nil.
func (c *Counts) of(check string) *int {
	switch check {
	case "lost":
		return &c.Lost
	case "destroyed":
		return &c.Destroyed
	case "duplicated":
		return &c.Duplicated
	case "recovered":
		return &c.Recovered
	case "unexpected":
		return &c.Unexpected
	case "orphaned":
		return &c.Orphaned
	case "stuck":
		return &c.Stuck
	case "retried":
		return &c.Retried
	case "concurrent":
		return &c.Concurrent
	case "malformed":
		return &c.Malformed
	case "phantom-confirm":
		return &c.Phantom
	case "redelivered-after-ack":
		return &c.Redelivered
	case "stall":
		return &c.Stalls
	}
	return nil
}

// Verdict of the check of that name; the zero Verdict, which is undecided, when there is none.
func (r Report) Verdict(check string) Verdict {
	for _, j := range r.Verdicts {
		if j.Name == check {
			return j.Verdict
		}
	}
	return Verdict{Why: "there is no check " + check}
}

// Broken says why the harness's own books cannot be trusted: the first finding of check accounting. It is "" when
// they can, and for a history without tasks.
func (r Report) Broken() string {
	f := r.Verdict("accounting").Findings
	switch {
	case len(f) == 0:
		return ""
	case f[0].ID != "":
		return "task " + f[0].ID + ": " + f[0].Text
	}
	return f[0].Text
}

// Guarantee is the delivery guarantee that was observed: "at-most-once" (loss, no duplicates), "at-least-once"
// (duplicates, no loss), "exactly-once" (neither) or "none" (both). It is "" when nothing was executed, and when no
// loss was seen and whether there is any is open.
func Guarantee(c Counts) string {
	switch {
	case c.Executed == 0, c.Lost == 0 && c.LossOpen != "":
		return ""
	case c.Lost > 0 && c.Duplicated > 0:
		return "none"
	case c.Lost > 0:
		return "at-most-once"
	case c.Duplicated > 0:
		return "at-least-once"
	}
	return "exactly-once"
}
