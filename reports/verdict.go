package reports

import (
	"fmt"
	"strings"

	"taskbench/harness"
	"taskbench/reports/units"
)

// Verdict says in one sentence of plain English how a run went: first what was found, then of what.
func Verdict(r harness.Result) string {
	s := sentence(r)
	if note := interrupted(r); note != "" && len(r.Cells) > 0 {
		s = "The run was interrupted and its result is partial. " + s
	}
	if r.InProgress {
		s = "The run is in progress, or was killed: this is how it stood, and no verdict. " + s
	}
	return s
}

func sentence(r harness.Result) string {
	n := tally(r.Cells)
	switch {
	case len(r.Cells) == 0 && interrupted(r) != "":
		return "The run was interrupted before its first cell was done: nothing was shown."
	case len(r.Cells) == 0:
		return "No cell was run: nothing was shown."
	case n[harness.Fail] > 0:
		return failed(r, n)
	case n[harness.Void] > 0:
		return unsettled(r, n, harness.Void)
	case n[harness.Undecided] > 0:
		return unsettled(r, n, harness.Undecided)
	case n[harness.Pass] == 0:
		return fmt.Sprintf("Nothing was run: no cell was fit for it (%s).", reason(first(r, harness.Unfit)))
	}
	s := passed(r, n)
	if r.Outcome != harness.Pass {
		s = strings.TrimSuffix(s, ".") + fmt.Sprintf("; the run as a whole is nevertheless %s%s.", r.Outcome, because(r.Warnings))
	}
	return s
}

func tally(cells []harness.Cell) map[harness.Outcome]int {
	n := map[harness.Outcome]int{}
	for _, c := range cells {
		n[c.Outcome]++
	}
	return n
}

// passed is the sentence for a run in which every cell that ran passed.
func passed(r harness.Result, n map[harness.Outcome]int) string {
	var sum harness.Counts
	var loser group
	for _, g := range groupsOf(r) {
		for _, c := range g.Cells {
			if !measured(c) {
				continue
			}
			sum.Acknowledged += c.Counts.Acknowledged
			sum.Lost += c.Counts.Lost
			sum.Duplicated += c.Counts.Duplicated
		}
		if len(loser.Cells) == 0 || g.worst().Counts.Lost > loser.worst().Counts.Lost {
			loser = g
		}
	}
	var who string
	switch {
	case len(r.Cells) == 1:
		who = groupsOf(r)[0].Label + " passed"
	case n[harness.Unfit] > 0:
		who = all(n[harness.Pass]) + " that could run passed"
		if n[harness.Pass] == 1 {
			who = "The one cell that could run passed"
		}
	default:
		who = all(len(r.Cells)) + " passed"
	}
	var what string
	switch {
	case sum.Acknowledged == 0:
		what = ", although not one task was acknowledged"
	case sum.Lost > 0:
		what = fmt.Sprintf("; a loss was expected, and %s", lossOf(loser, len(r.Cells) > 1))
	case sum.Duplicated == 0:
		what = fmt.Sprintf(": of %s acknowledged tasks none was lost and none ran twice", units.Count(sum.Acknowledged))
	default:
		what = fmt.Sprintf(": of %s acknowledged tasks none was lost; %s", units.Count(sum.Acknowledged), repeats(sum.Duplicated))
	}
	what += ticks(r) + chords(r)
	if n[harness.Unfit] > 0 {
		what += fmt.Sprintf("; %s not run (%s)", were(n[harness.Unfit], "more"), reason(first(r, harness.Unfit)))
	}
	return who + what + "."
}

// ticks tells of the schedules of a run that had a beat, "" of others.
func ticks(r harness.Result) string {
	missed, repeated := checked(r, "tick-missed"), checked(r, "tick-repeated")
	if missed.Examined == 0 {
		return ""
	}
	return fmt.Sprintf("; of %s ticks %s missed and %s sent again", units.Count(missed.Examined), was(missed.Count), was(repeated.Count))
}

// chords tells of the chords of a run that had any, "" of others.
func chords(r harness.Result) string {
	missing, body := checked(r, "chord-missing"), checked(r, "chord-body")
	if missing.Examined == 0 {
		return ""
	}
	if missing.Count+body.Count == 0 {
		return fmt.Sprintf("; %s chords had their bodies run once each", units.Count(missing.Examined))
	}
	return fmt.Sprintf("; of the bodies of %s chords %s missing, and there were %s runs too many", units.Count(missing.Examined), was(missing.Count), units.Count(body.Count))
}

// checked sums what a check said of the measured cells.
func checked(r harness.Result, check string) (sum harness.Checked) {
	for _, c := range r.Cells {
		if !measured(c) {
			continue
		}
		for _, k := range c.Checks {
			if k.Check == check {
				sum.Examined += k.Examined
				sum.Count += k.Count
			}
		}
	}
	return sum
}

// was is "none was", "1 was" or "2 were".
func was(n int) string {
	switch n {
	case 0:
		return "none was"
	case 1:
		return "1 was"
	}
	return units.Count(n) + " were"
}

// failed is the sentence for a run in which a cell failed: the worst one first, then how the others did.
func failed(r harness.Result, n map[harness.Outcome]int) string {
	var worst group
	for _, g := range groupsOf(r) {
		if g.Outcome() == harness.Fail && (len(worst.Cells) == 0 || g.worst().Counts.Lost > worst.worst().Counts.Lost) {
			worst = g
		}
	}
	c := worst.worst()
	s := worst.Label + " failed" + why(c)
	if c.Counts.Lost > 0 {
		s = lossOf(worst, true)
	}
	rest := len(r.Cells) - 1
	if rest == 0 {
		return s + "."
	}
	n[harness.Fail]--
	return s + "; " + others(n, rest) + "."
}

// unsettled is the sentence for a run without failures in which some cells show nothing.
func unsettled(r harness.Result, n map[harness.Outcome]int, o harness.Outcome) string {
	who, not, what := subject(r, o), " not", "judged"
	if n[o] == len(r.Cells) && n[o] > 1 {
		who, not = none(n[o]), ""
	}
	be := "could" + not + " be "
	if o == harness.Void {
		be, what = "was"+not+" ", "offered the load that was asked for, so that no number counts"
		if not != "" && n[o] > 1 {
			be = "were" + not + " "
		}
	}
	s := fmt.Sprintf("%s %s%s (%s)", who, be, what, reason(first(r, o)))
	rest := len(r.Cells) - n[o]
	n[o] = 0
	if rest > 0 {
		s += "; " + others(n, rest)
	}
	return s + "."
}

// others says how the rest of the cells did.
func others(n map[harness.Outcome]int, rest int) string {
	did := map[harness.Outcome]string{harness.Pass: "passed", harness.Fail: "failed too", harness.Void: "void",
		harness.Undecided: "undecided", harness.Unfit: "not run"}
	var parts []string
	for _, o := range []harness.Outcome{harness.Fail, harness.Pass, harness.Void, harness.Undecided, harness.Unfit} {
		switch {
		case n[o] == 0:
		case n[o] == rest && rest == 1:
			return "the other cell " + is(o, 1) + did[o]
		case n[o] == rest:
			return fmt.Sprintf("the %d other cells %s%s", rest, is(o, rest), did[o])
		default:
			parts = append(parts, fmt.Sprintf("%d %s%s", n[o], is(o, n[o]), did[o]))
		}
	}
	return fmt.Sprintf("of the %d other cells %s", rest, list(parts))
}

func is(o harness.Outcome, n int) string {
	switch {
	case o == harness.Pass || o == harness.Fail:
		return ""
	case n == 1:
		return "was "
	default:
		return "were "
	}
}

// subject names the cells of an outcome: the one, all, or how many of how many.
func subject(r harness.Result, o harness.Outcome) string {
	n := tally(r.Cells)[o]
	switch {
	case n == 1 && len(r.Cells) == 1:
		return groupsOf(r)[0].Label
	case n == 1:
		for _, g := range groupsOf(r) {
			if g.has(o) > 0 {
				return g.Label
			}
		}
	case n == len(r.Cells):
		return all(n)
	}
	return fmt.Sprintf("%d of %d cells", n, len(r.Cells))
}

func all(n int) string {
	if n == 2 {
		return "Both cells"
	}
	return "All " + units.Plural(n, "cell")
}

func none(n int) string {
	if n == 2 {
		return "Neither cell"
	}
	return "None of the " + units.Plural(n, "cell")
}

func were(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return fmt.Sprintf("%d %s were", n, noun)
}

func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func repeats(n int) string {
	if n == 1 {
		return "1 execution was a repeat"
	}
	return units.Count(n) + " executions were repeats"
}

func first(r harness.Result, o harness.Outcome) harness.Cell {
	for _, g := range groupsOf(r) {
		for _, c := range g.Cells {
			if c.Outcome == o {
				return c
			}
		}
	}
	return harness.Cell{}
}
