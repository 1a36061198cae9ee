package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/reports/units"
)

// A matrix sets what brokers promise against what was seen of it, calm and under each scenario that broke something.
type matrix struct {
	Columns []string // scenarios; "" is calm, and the first
	Rows    []matrixRow
}

// A matrixRow is one cell of the plan under every scenario.
type matrixRow struct {
	Name, Rest string
	Promised   string
	Seen       []seenUnder // one for each column
}

// A seenUnder is what became of the tasks of one group.
type seenUnder struct {
	Outcome   harness.Outcome
	Guarantee string // the weakest of the repeats; "" where none was seen
	Counts    string // "" where there are none that count
	Bad       bool   // what was lost should have come back, by the promise and the durability class
	Cell      string // the page's anchor of the repeat that this is about; "" where there is no such group
}

// orCalm names a scenario, or that there was none.
func orCalm(under string) string { return cmp.Or(under, "calm") }

// guarantees are the words of Cell.Guarantee, weakest first.
var guarantees = []string{"none", brokers.AtMostOnce, brokers.AtLeastOnce, "exactly-once"}

// matrixOf is nil where nothing was broken, or nothing else was run to set beside it.
func matrixOf(gs []group) *matrix {
	m := &matrix{}
	for _, g := range gs {
		if !slices.Contains(m.Columns, g.Under) {
			m.Columns = append(m.Columns, g.Under)
		}
	}
	if len(m.Columns) < 2 {
		return nil
	}
	slices.Sort(m.Columns)
	rows := map[identity]int{}
	parts := naming(slices.DeleteFunc(slices.Clone(gs), func(g group) bool { return g.Under != gs[0].Under }))
	next := 0
	for _, g := range gs {
		k := g.identity
		k.Under = gs[0].Under
		at, known := rows[k]
		if !known {
			at = len(m.Rows)
			rows[k] = at
			m.Rows = append(m.Rows, matrixRow{Name: g.broker(), Rest: strings.Join(parts(k), " · "), Promised: g.Cells[0].Promised, Seen: make([]seenUnder, len(m.Columns))})
		}
		m.Rows[at].Seen[slices.Index(m.Columns, g.Under)] = seenIn(g, next)
		next += len(g.Cells)
	}
	slices.SortStableFunc(m.Rows, func(a, b matrixRow) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Rest, b.Rest))
	})
	return m
}

// seenIn sums a group up, whose repeats are the page's cells from that number on.
func seenIn(g group, first int) seenUnder {
	s := seenUnder{Outcome: g.Outcome(), Cell: anchor(first)}
	var n harness.Counts
	weakest := len(guarantees)
	tried, waiting := false, 0
	for i, c := range g.Cells {
		if !measured(c) {
			continue
		}
		for _, f := range c.Faults {
			if f.Waiting != nil {
				tried, waiting = true, waiting+*f.Waiting
			}
		}
		n.Acknowledged += c.Counts.Acknowledged
		n.Lost += c.Counts.Lost
		n.Duplicated += c.Counts.Duplicated
		s.Bad = s.Bad || broke(c)
		if at := slices.Index(guarantees, c.Guarantee); at >= 0 && at < weakest {
			weakest, s.Cell = at, anchor(first+i)
		}
	}
	if n.Acknowledged == 0 {
		return s // the cell says why
	}
	s.Counts = fmt.Sprintf("%s lost, %s repeated of %s", units.Count(n.Lost), units.Count(n.Duplicated), units.Count(n.Acknowledged))
	switch {
	case tried && waiting == 0:
		s.Counts += "; nothing waited in the broker when it ended"
	case tried:
		s.Counts += fmt.Sprintf("; %s waited in the broker when it ended", units.Count(waiting))
	}
	if weakest < len(guarantees) {
		s.Guarantee = guarantees[weakest]
	}
	return s
}

// broke tells whether a cell lost what was to be handed out until it was acknowledged. What is gone with the memory of
// the broker's process is not held against the promise: the durability class says that much.
func broke(c harness.Cell) bool {
	return c.Counts.Lost > 0 && c.Promised == brokers.AtLeastOnce &&
		!slices.ContainsFunc(c.Faults, func(f harness.FaultResult) bool { return forgot(c, f) })
}

// markdown writes the matrix as a table.
func (m *matrix) markdown(b *strings.Builder) {
	b.WriteString("\n**Guarantees**: what was promised of an acknowledged task, and what was seen\n\n| cell | promised |")
	for _, c := range m.Columns {
		b.WriteString(" " + markdown(orCalm(c)) + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(m.Columns)) + "\n")
	for _, r := range m.Rows {
		name := r.Name
		if r.Rest != "" {
			name += " · " + r.Rest
		}
		fmt.Fprintf(b, "| %s | %s |", markdown(name), r.Promised)
		for _, s := range r.Seen {
			text := cmp.Or(s.Guarantee, string(s.Outcome))
			if s.Counts != "" {
				text += ": " + s.Counts
			}
			if s.Bad {
				text = "**" + text + "**"
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}
