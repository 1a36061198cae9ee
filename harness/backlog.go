package harness

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario"
)

// backlogs notes how much waited in the broker whenever a fault came that ends it, and warns where that was nothing each time:
// that nothing was lost then says nothing of what the broker keeps. The cell has its faults already.
func (cell *Cell) backlogs(h ledger.History, list []injection) {
	var moments []int64
	var where []*FaultResult
	next := 0
	for _, i := range list {
		if i.inEffect == 0 {
			continue
		}
		f := &cell.Faults[next] // they are of the same faults, in the same order
		next++
		if i.ends && scenario.Kind(i.node) == "broker" {
			moments, where = append(moments, i.at), append(where, f)
		}
	}
	if len(moments) == 0 {
		return
	}
	tried := false
	var met []string
	for i, n := range metrics.Waiting(h, moments) {
		where[i].Waiting = &n
		tried = tried || n > 0
		met = append(met, where[i].Fault)
	}
	if !tried {
		slices.Sort(met)
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("nothing waited in the broker when it met %s: what it keeps or loses of a backlog was not tried", strings.Join(slices.Compact(met), " and ")))
	}
}
