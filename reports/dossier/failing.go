package dossier

import (
	"regexp"
	"slices"
	"strings"
)

var words = regexp.MustCompile(`[a-z_]+`)

// Failing are the checks that found something and that an expectation which did not hold speaks of, by name. Where every
// expectation held it is none.
func (b *Book) Failing() []string {
	var spoken []string
	for _, e := range b.cell.Expectations {
		if !e.Held && !e.Undecided {
			spoken = append(spoken, words.FindAllString(e.Expect, -1)...)
		}
	}
	var names []string
	for _, v := range b.report.Verdicts {
		// The counts of stall and redelivered-after-ack are called stalls and redelivered.
		said := slices.ContainsFunc(spoken, func(w string) bool { return w == v.Name || w == v.Name+"s" || strings.HasPrefix(v.Name, w+"-") })
		if said && len(v.Findings) > 0 {
			names = append(names, v.Name)
		}
	}
	return names
}

// First are the dossiers of the first n tasks that a check names.
func (b *Book) First(check string, n int) []Dossier {
	var list []Dossier
	for _, f := range b.report.Verdict(check).Findings {
		if d, ok := b.Of(f.Task); ok && f.ID != "" && len(list) < n {
			list = append(list, d)
		}
	}
	return list
}
