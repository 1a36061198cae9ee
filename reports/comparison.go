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

// A class is the groups that may be ranked against each other: the same workload, broken in the same way if at all, and
// the same durability.
type class struct {
	Workload, Under, Durability string
	Columns                     []Metric
	Rows                        []row
}

// A row is one group in its class.
type row struct {
	group
	Rank    string
	Figures []figure // one for each column
}

// A figure is one number of a table.
type figure struct {
	Stat
	Text   string // the median
	Spread string // over the repeats; "" where there is none to show
	Mark   string // "best"; "~" where no difference to the best was shown; or ""
	Bad    bool
}

// durabilities, strongest first.
var durabilities = []string{string(brokers.Fsync), string(brokers.PageCache), string(brokers.Memory)}

// survives says what a durability class means to somebody who has not read the manual.
func survives(durability string) string {
	switch brokers.Durability(durability) {
	case brokers.Fsync:
		return "on disk before a publish is confirmed"
	case brokers.PageCache:
		return "survives a kill of the broker, not a power cut"
	case brokers.Memory:
		return "gone when the broker's process dies"
	}
	return ""
}

func classesOf(gs []group) []class {
	var cs []class
	for _, g := range gs {
		d := g.Cells[0].Durability
		i := slices.IndexFunc(cs, func(c class) bool { return c.Workload == g.Workload && c.Under == g.Under && c.Durability == d })
		if i < 0 {
			i = len(cs)
			cs = append(cs, class{Workload: g.Workload, Under: g.Under, Durability: d})
		}
		cs[i].Rows = append(cs[i].Rows, row{group: g})
	}
	strength := func(d string) int {
		if i := slices.Index(durabilities, d); i >= 0 {
			return i
		}
		return len(durabilities)
	}
	slices.SortStableFunc(cs, func(a, b class) int {
		return cmp.Or(strings.Compare(a.Workload, b.Workload), strings.Compare(a.Under, b.Under), strength(a.Durability)-strength(b.Durability), strings.Compare(a.Durability, b.Durability))
	})
	columns := columnsOf(gs)
	for i := range cs {
		cs[i].Columns = columns
		cs[i].fill()
	}
	return cs
}

// columnsOf leaves out what no cell has: a run without faults has no recovery.
func columnsOf(gs []group) []Metric {
	all := []Metric{completedRate, medianLatency, tailLatency, lost, duplicated, recovered, firstCompletion, memory}
	return slices.DeleteFunc(all, func(m Metric) bool {
		if m.Name == lost.Name || m.Name == duplicated.Name {
			return false
		}
		for _, g := range gs {
			if s := g.stat(m); s.N > 0 && (!m.Counted || s.High > 0) {
				return false
			}
		}
		return true
	})
}

// ranked tells whether a group takes part in the ranking: only one whose every repeat passed does.
func (r row) ranked() bool {
	return r.Outcome() == harness.Pass && r.stat(tailLatency).N > 0
}

// fill ranks the rows by tail latency and marks the best of each column.
func (c *class) fill() {
	slices.SortStableFunc(c.Rows, func(a, b row) int {
		switch {
		case a.ranked() && b.ranked():
			return cmp.Compare(a.stat(tailLatency).Median, b.stat(tailLatency).Median)
		case a.ranked():
			return -1
		case b.ranked():
			return 1
		default:
			return 0
		}
	})
	ranks := c.ranks()
	for i := range c.Rows {
		c.Rows[i].Rank = ranks[i]
		c.Rows[i].Figures = nil
		for _, m := range c.Columns {
			c.Rows[i].Figures = append(c.Rows[i].Figures, c.figure(c.Rows[i], m))
		}
	}
}

// ranks spells the place of each of the sorted rows. A row shares the place of the one that leads it unless it was
// shown to be slower than that; a shared place carries "~", and where all share one, there is no order to show.
func (c *class) ranks() []string {
	places, leader, taking := make([]int, len(c.Rows)), 0, 0
	sharing := map[int]int{}
	for i, r := range c.Rows {
		if !r.ranked() {
			continue
		}
		taking++
		if i > 0 && !r.stat(tailLatency).Differs(c.Rows[leader].stat(tailLatency)) {
			places[i] = places[leader]
		} else {
			places[i], leader = i+1, i
		}
		sharing[places[i]]++
	}
	spelt := make([]string, len(c.Rows))
	for i, place := range places {
		switch {
		case place == 0 || taking == 1:
			spelt[i] = units.None
		case sharing[place] == taking:
			spelt[i] = "~"
		case sharing[place] > 1:
			spelt[i] = fmt.Sprintf("~%d", place)
		default:
			spelt[i] = fmt.Sprint(place)
		}
	}
	return spelt
}

func (c *class) figure(r row, m Metric) figure {
	s := r.stat(m)
	f := figure{Stat: s, Text: units.None}
	if s.N == 0 {
		return f
	}
	f.Text = m.Spell(s.Median)
	f.Bad = m.Name == lost.Name && s.High > 0
	if s.N > 1 && m.Spell(s.Low) != m.Spell(s.High) {
		f.Spread = m.Spell(s.Low) + "–" + m.Spell(s.High)
		// "1.1 ms–1.3 ms" is said as "1.1–1.3 ms".
		if low, unit, ok := strings.Cut(m.Spell(s.Low), " "); ok && strings.HasSuffix(m.Spell(s.High), " "+unit) && !strings.Contains(unit, " ") {
			f.Spread = low + "–" + m.Spell(s.High)
		}
	}
	f.Mark = c.mark(r, m)
	return f
}

// mark compares with the best of the column among the ranked rows.
func (c *class) mark(r row, m Metric) string {
	if m.Counted || !r.ranked() {
		return ""
	}
	best, tied, taking := Stat{}, 0, 0
	for _, other := range c.Rows {
		s := other.stat(m)
		if !other.ranked() || s.N == 0 {
			continue
		}
		taking++
		if best.N == 0 || (m.Higher && s.Median > best.Median) || (!m.Higher && s.Median < best.Median) {
			best = s
		}
	}
	for _, other := range c.Rows {
		if s := other.stat(m); other.ranked() && s.N > 0 && !s.Differs(best) {
			tied++
		}
	}
	switch mine := r.stat(m); {
	case taking < 2 || mine.N == 0 || mine.Differs(best):
		return ""
	case tied > 1:
		return "~"
	default:
		return "best"
	}
}
