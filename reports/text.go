package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"taskbench/harness"
)

// TextOptions say how the terminal table is set.
type TextOptions struct {
	Width  int    // columns of the terminal; 0 is 100
	Color  bool   // ANSI colours
	Report string // path of the report to point at; "" points at none
}

// Text writes the outcome of a run for a terminal: the verdict, one aligned line a cell with medians over the
// repeats, the expectations that did not hold, the warnings and where the report is. Where the terminal is too
// narrow, columns are left out from the right and named.
func Text(w io.Writer, r harness.Result, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	t := &terminal{TextOptions: o}
	t.wrapped(t.paint(outcomeColor(r.Outcome), string(r.Outcome)), len(r.Outcome), Verdict(r))
	t.tables(r)
	t.b.WriteString("\n")
	for _, f := range failing(r) {
		t.wrapped(t.paint(red, "not held"), len("not held"), fmt.Sprintf("%s: %s, %s", f.Label, f.Expect, f.Got))
	}
	const most = 8
	ws := warningsOf(r)
	for i, warn := range ws {
		if i == most {
			t.wrapped(t.paint(yellow, "warning"), len("warning"), fmt.Sprintf("and %d more, in the report", len(ws)-i))
			break
		}
		text := warn.Text
		if len(warn.Where) > 0 {
			text = warn.About() + ": " + text
		}
		t.wrapped(t.paint(yellow, "warning"), len("warning"), text)
	}
	if o.Report != "" {
		fmt.Fprintf(&t.b, "report    %s\n", o.Report)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

func outcomeColor(o harness.Outcome) string {
	switch o {
	case harness.Pass:
		return green
	case harness.Fail:
		return red
	case harness.Unfit:
		return faint
	}
	return yellow
}

type terminal struct {
	TextOptions
	b strings.Builder
}

func (t *terminal) paint(color, s string) string {
	if !t.Color || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// wrapped writes a text broken into lines beside its tag, which takes as many columns as it says.
func (t *terminal) wrapped(tag string, taken int, text string) {
	const indent = 10 // the longest outcome and a space
	t.b.WriteString(tag + strings.Repeat(" ", max(1, indent-taken)))
	column := max(indent, taken+1)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > t.Width:
			t.b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			t.b.WriteString(" ")
			column++
		}
		t.b.WriteString(word)
		column += n
	}
	t.b.WriteString("\n")
}

// tables writes one block for each durability class, all in the same columns.
func (t *terminal) tables(r harness.Result) {
	classes := classesOf(groupsOf(r))
	if len(classes) == 0 {
		return
	}
	columns := classes[0].Columns
	heads := []string{"cell", "outcome"}
	for _, m := range columns {
		heads = append(heads, m.Name)
	}
	widths := make([]int, len(heads))
	lines := make([][][]string, len(classes))
	widen := func(cells []string) {
		for i, s := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	widen(heads)
	for i, c := range classes {
		for _, row := range c.Rows {
			cells := []string{row.Label, row.Outcomes()}
			for _, f := range row.Figures {
				cells = append(cells, strings.TrimSpace(strings.TrimPrefix(f.Mark, "best")+" "+f.Text))
			}
			lines[i] = append(lines[i], cells)
			widen(cells)
		}
	}
	shown := t.room(widths)
	for i, c := range classes {
		t.b.WriteString("\n" + t.paint(faint, c.title(classes)) + "\n")
		t.b.WriteString(t.paint(bold, line(heads[:shown], widths)) + "\n")
		for j, cells := range lines[i] {
			s := line(cells[:shown], widths)
			o := c.Rows[j].Outcomes()
			if at := widths[0] + 2; t.Color && len(cells) > 1 {
				runes := []rune(s)
				s = string(runes[:at]) + t.paint(outcomeColor(c.Rows[j].Outcome()), o) + string(runes[at+utf8.RuneCountInString(o):])
			}
			t.b.WriteString(s + "\n")
		}
	}
	if shown < len(heads) {
		t.b.WriteString(t.paint(faint, "left out for want of columns, and in the report: "+strings.Join(heads[shown:], ", ")) + "\n")
	}
}

// room shortens the first column to what it can have and says how many columns fit.
func (t *terminal) room(widths []int) int {
	const least = 16 // of a cell's name
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	if over := total - t.Width; over > 0 {
		cut := min(over, max(0, widths[0]-max(least, t.Width*2/5)))
		widths[0] -= cut
		total -= cut
	}
	shown := len(widths)
	for shown > 2 && total > t.Width {
		shown--
		total -= widths[shown] + 2
	}
	return shown
}

// line sets the cells in their columns: texts to the left, numbers to the right.
func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, s := range cells {
		if n := utf8.RuneCountInString(s); n > widths[i] {
			// The end of a long name tells it from its neighbours, the beginning says what it is.
			runes := []rune(s)
			front := (widths[i] - 1) / 2
			s = string(runes[:front]) + "…" + string(runes[n-(widths[i]-1-front):])
		}
		gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
		switch {
		case i == 0:
			b.WriteString(s + gap)
		case i == 1:
			b.WriteString("  " + s + gap)
		default:
			b.WriteString("  " + gap + s)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
