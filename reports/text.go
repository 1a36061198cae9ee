package reports

import (
	"fmt"
	"io"
	"slices"
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
// repeats, the expectations that did not hold, the warnings that the verdict has not given already, and where the
// report is. Where the terminal is too narrow, columns are left out from the right and named.
func Text(w io.Writer, r harness.Result, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	t := &terminal{TextOptions: o}
	verdict := Verdict(r)
	t.wrapped(t.paint(outcomeColor(r.Outcome), string(r.Outcome)), len(r.Outcome), verdict)
	t.tables(r)
	t.b.WriteString("\n")
	for _, f := range failing(r) {
		color := red
		if f.Word != "not held" {
			color = yellow
		}
		t.wrapped(t.paint(color, f.Word), len(f.Word), fmt.Sprintf("%s: %s, %s", f.Label, f.Expect, f.Got))
	}
	const most = 8
	ws := slices.DeleteFunc(warningsOf(r), func(w warning) bool { return w.toldBy(verdict, len(r.Cells)) })
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
