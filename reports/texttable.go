package reports

import (
	"slices"
	"strings"
	"unicode/utf8"

	"taskbench/harness"
)

// tables writes one block for each durability class, all in the same columns.
func (t *terminal) tables(r harness.Result) {
	classes := classesOf(groupsOf(r))
	if len(classes) == 0 {
		return
	}
	heads := []string{"cell", "outcome"}
	for _, m := range classes[0].Columns {
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
	keep, left := t.room(heads, widths)
	for i, c := range classes {
		t.b.WriteString("\n" + t.paint(faint, clip(c.title(classes), t.Width)) + "\n")
		t.b.WriteString(t.paint(bold, line(pick(heads, keep), pick(widths, keep))) + "\n")
		for j, cells := range lines[i] {
			s := line(pick(cells, keep), pick(widths, keep))
			o := c.Rows[j].Outcomes()
			if at := widths[0] + 2; t.Color {
				runes := []rune(s)
				s = string(runes[:at]) + t.paint(outcomeColor(c.Rows[j].Outcome()), o) + string(runes[at+utf8.RuneCountInString(o):])
			}
			t.b.WriteString(s + "\n")
		}
	}
	if len(left) > 0 {
		t.wrapped(t.paint(faint, "left out"), len("left out"), "for want of columns, and in the report: "+strings.Join(left, ", "))
	}
}

func pick[T any](all []T, keep []int) []T {
	var some []T
	for _, i := range keep {
		some = append(some, all[i])
	}
	return some
}

// clip shortens a text to the width.
func clip(s string, width int) string {
	if runes := []rune(s); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return s
}

// dispensable are the columns that a narrow terminal goes without, in this order; what was lost stays longest.
var dispensable = []Metric{recovered, memory, firstCompletion, medianLatency, duplicated, completedRate, tailLatency, lost}

// room shortens the first column to what it can have and says which columns fit, and the names of those that do not.
func (t *terminal) room(heads []string, widths []int) (keep []int, left []string) {
	const least = 16 // of a cell's name
	total := -2
	for i, w := range widths {
		total += w + 2
		keep = append(keep, i)
	}
	if over := total - t.Width; over > 0 {
		cut := min(over, max(0, widths[0]-max(least, t.Width*2/5)))
		widths[0] -= cut
		total -= cut
	}
	for _, m := range dispensable {
		at := slices.Index(heads, m.Name)
		if total <= t.Width || at < 0 {
			continue
		}
		total -= widths[at] + 2
		left = append(left, m.Name)
		keep = slices.DeleteFunc(keep, func(i int) bool { return i == at })
	}
	return keep, left
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
