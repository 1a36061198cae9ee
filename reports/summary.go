package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"taskbench/harness"
)

// Summary writes a short Markdown page: for a comment on a change, and for a terminal that shows text only.
func Summary(w io.Writer, r harness.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n**%s**\n", markdown(r.Name), r.Outcome, markdown(Verdict(r)))
	if r.Asks != "" {
		fmt.Fprintf(&b, "\n_%s_\n", markdown(r.Asks))
	}
	gs := groupsOf(r)
	classes := classesOf(gs)
	for _, c := range classes {
		b.WriteString("\n" + markdown(c.title(classes)) + "\n\n")
		c.markdown(&b)
	}
	if len(classes) > 0 {
		b.WriteString("\n`~`: the repeats overlap, so no difference was shown. Medians over the repeats, with their range. Only cells of one durability class are ranked, by p99.\n")
	}
	if m := matrixOf(gs); m != nil {
		m.markdown(&b)
	}
	if failing := failing(r); len(failing) > 0 {
		b.WriteString("\n**Expectations that did not hold**\n\n")
		for i, f := range failing {
			if i == 20 {
				fmt.Fprintf(&b, "- and %d more\n", len(failing)-i)
				break
			}
			fmt.Fprintf(&b, "- %s: %s %s, %s\n", markdown(f.Label), code(f.Expect), f.Word, markdown(f.Got))
		}
	}
	if ws := warningsOf(r); len(ws) > 0 {
		b.WriteString("\n**Warnings**\n\n")
		for i, warn := range ws {
			if i == 10 {
				fmt.Fprintf(&b, "- and %d more, in report.html\n", len(ws)-i)
				break
			}
			text := markdown(warn.Text)
			if len(warn.Where) > 0 {
				text += " (" + markdown(warn.About()) + ")"
			}
			fmt.Fprintf(&b, "- %s\n", text)
		}
	}
	var facts []string
	for _, p := range conditions(r) {
		facts = append(facts, p.lower()+" "+p.Value)
	}
	fmt.Fprintf(&b, "\n<sub>%s</sub>\n", markdown(strings.Join(facts, " · ")))
	if r.Provenance.Command != "" {
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", r.Provenance.Command)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title says what a class's table is about; the workload only where there are several.
func (c class) title(all []class) string {
	t := "Durability " + c.Durability
	if c.Durability == "" {
		t = "Durability not declared"
	}
	if s := survives(c.Durability); s != "" {
		t += ": " + s
	}
	if slices.ContainsFunc(all, func(other class) bool { return other.Under != c.Under }) {
		t = "Under " + orCalm(c.Under) + ". " + t
	}
	for _, other := range all {
		if other.Workload != c.Workload {
			if c.Workload == "" {
				return "Workload not named. " + t
			}
			return "Workload " + c.Workload + ". " + t
		}
	}
	return t
}

func (c class) markdown(b *strings.Builder) {
	b.WriteString("| | cell | outcome |")
	rule := "|---|---|---|"
	for _, m := range c.Columns {
		b.WriteString(" " + m.Head + " |")
		rule += "--:|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, r := range c.Rows {
		fmt.Fprintf(b, "| %s | %s | %s |", r.Rank, markdown(r.Label), r.Outcomes())
		for _, f := range r.Figures {
			fmt.Fprintf(b, " %s |", f.plain())
		}
		b.WriteString("\n")
	}
}

// plain is a figure on one line.
func (f figure) plain() string {
	s := f.Text
	if f.Mark == "~" {
		s = "~ " + s
	}
	if f.Spread != "" {
		s += " (" + f.Spread + ")"
	}
	if f.Bad || f.Mark == "best" {
		s = "**" + s + "**"
	}
	return s
}

// Outcomes is the group's outcome, and in how many of its repeats.
func (g group) Outcomes() string {
	o := g.Outcome()
	if n := g.has(o); n < len(g.Cells) {
		return fmt.Sprintf("%s %d/%d", o, n, len(g.Cells))
	}
	return string(o)
}

// A failure is an expectation that was not met.
type failure struct {
	Word               string // "not held", or "not shown" where nothing speaks against it either
	Label, Expect, Got string
}

// failing lists the expectations that were not met, by cell. Void and unfit cells promise nothing.
func failing(r harness.Result) []failure {
	var fs []failure
	for _, e := range expectedOf(groupsOf(r)) {
		if e.Held == e.Of {
			continue
		}
		f := failure{Word: "not held", Label: e.Cell, Expect: e.Expect, Got: e.Got}
		if e.Outcome == harness.Undecided {
			f.Word = "not shown"
		}
		if e.Of > 1 {
			f.Got = fmt.Sprintf("in %d of %d repeats: %s", e.Of-e.Held, e.Of, e.Values)
		}
		fs = append(fs, f)
	}
	return fs
}

var markdownEscape = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*", "_", "\\_", "`", "\\`", "\r", " ", "\n", " ", "[", "\\[", "]", "\\]")

// markdown escapes a text that was not written as Markdown.
func markdown(s string) string { return markdownEscape.Replace(s) }

// code sets a text as code, also one that has the mark of code in it.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}
