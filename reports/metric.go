package reports

import (
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/reports/units"
)

// A Metric is one number of a cell that reports compare.
type Metric struct {
	Name    string // as a narrow column is headed, and how a machine knows it: "dup"
	Head    string // as a wide column is headed: "Duplicated"
	Title   string // in full
	Higher  bool   // better
	Counted bool   // a count, of which not the speed but the correctness is judged
	Spell   func(float64) string
	Of      func(harness.Cell) (float64, bool) // false: not measured
}

func count(name, head, title string, of func(harness.Counts) int) Metric {
	return Metric{Name: name, Head: head, Title: title, Counted: true, Spell: units.Number,
		Of: func(c harness.Cell) (float64, bool) { return float64(of(c.Counts)), true }}
}

func percentile(name, title string, of func(harness.Latency) float64) Metric {
	return Metric{Name: name, Head: name, Title: title, Spell: units.Seconds, Of: func(c harness.Cell) (float64, bool) {
		l, ok := c.Latency[endToEnd]
		return of(l), ok && l.Count > 0
	}}
}

func seen(name, head, title string, of func(harness.Recovery) *float64) Metric {
	return Metric{Name: name, Head: head, Title: title, Spell: units.Seconds, Of: func(c harness.Cell) (float64, bool) {
		if p := of(c.Recovery); p != nil {
			return *p, true
		}
		return 0, false
	}}
}

// The metrics that the reports use.
var (
	completedRate = Metric{Name: "completed/s", Head: "Completed/s", Title: "Tasks completed a second", Higher: true, Spell: units.Number,
		Of: func(c harness.Cell) (float64, bool) { return c.Throughput.Completed, true }}
	medianLatency   = percentile("p50", "Median latency, due to finish", func(l harness.Latency) float64 { return l.P50 })
	tailLatency     = percentile("p99", "99th percentile latency, due to finish", func(l harness.Latency) float64 { return l.P99 })
	lost            = count("lost", "Lost", "Acknowledged tasks that never ran to the end", func(c harness.Counts) int { return c.Lost })
	duplicated      = count("dup", "Duplicated", "Extra completed executions", func(c harness.Counts) int { return c.Duplicated })
	recovered       = count("recov", "Recovered", "Tasks that ran although their publish had an unknown outcome", func(c harness.Counts) int { return c.Recovered })
	firstCompletion = seen("1st done", "First done", "First completion after the fault began to be healed", func(r harness.Recovery) *float64 { return r.FirstCompletion })
	backlogDrained  = seen("drained", "Drained", "Backlog worked off after the fault began to be healed", func(r harness.Recovery) *float64 { return r.BacklogDrained })
	memory          = Metric{Name: "RSS", Head: "RSS", Title: "Peak resident memory of each node, added up", Spell: units.Bytes,
		Of: func(c harness.Cell) (float64, bool) {
			var sum int64
			for _, n := range c.Resources {
				sum += n.RSSPeak
			}
			return float64(sum), sum > 0
		}}
)

// endToEnd is the stage that comparisons are about.
const endToEnd = "due_to_finish"

// stages in the order in which a task goes through them; others follow by name.
var stages = []string{endToEnd, "send_to_finish", "due_to_publish", "publish_to_confirm", "confirm_to_start", "start_to_finish", "finish_to_ack", "finish_to_result"}

// stagesOf lists the stages that the cells have.
func stagesOf(cells ...harness.Cell) []string {
	var names []string
	for _, c := range cells {
		for s := range c.Latency {
			if !slices.Contains(names, s) {
				names = append(names, s)
			}
		}
	}
	place := func(s string) int {
		if i := slices.Index(stages, s); i >= 0 {
			return i
		}
		return len(stages)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// stageTitle spells a stage: due_to_finish is "due → finish".
func stageTitle(s string) string {
	t := strings.ReplaceAll(strings.Replace(s, "_to_", " → ", 1), "_", " ")
	switch s {
	case endToEnd:
		return t + " (end to end)"
	case "send_to_finish":
		return t + " (uncorrected)"
	case "confirm_to_start":
		return t + " (queue wait)"
	case "start_to_finish":
		return t + " (execution)"
	}
	return t
}
