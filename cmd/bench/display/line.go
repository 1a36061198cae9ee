package display

import (
	"fmt"
	"strings"
	"time"

	"taskbench/harness"
)

// prefix says which cell a line is about.
func prefix(p harness.Progress) string {
	if p.Cell == 0 {
		return ""
	}
	return fmt.Sprintf("[%d/%d] %s: ", p.Cell, p.Cells, p.Name)
}

// line is progress for a log.
func line(p harness.Progress) string {
	return prefix(p) + p.Phase + rates(p) + inForce(p) + "; " + left(p)
}

// block is progress for a screen.
func block(p harness.Progress) []string {
	first := fmt.Sprintf("[%d/%d] %s  %s  %s", p.Cell, p.Cells, p.Name, p.Phase, left(p))
	second := strings.TrimPrefix(rates(p)+inForce(p), ", ")
	if second == "" {
		second = doing[p.Phase]
	}
	return []string{first, "      " + second}
}

// driven are the phases in which rates mean something.
var driven = map[string]bool{"warmup": true, "steady": true, "fault": true, "recovery": true, "drain": true}

// doing is what happens in the other phases.
var doing = map[string]string{
	"provision": "starting the broker and the workers",
	"judge":     "judging what became of every task",
}

func rates(p harness.Progress) string {
	if !driven[p.Phase] {
		return ""
	}
	return fmt.Sprintf(", offered %s, completed %s, backlog %d", rate(p.Offered), rate(p.Completed), p.Backlog)
}

func rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

func inForce(p harness.Progress) string {
	if len(p.Faults) == 0 {
		return ""
	}
	return ", in force: " + strings.Join(p.Faults, ", ")
}

func left(p harness.Progress) string {
	if p.Left <= 0 {
		return "nearly done"
	}
	return Rough(p.Left) + " left"
}

// Rough is a duration to the second, as people say it: "9 s", "1 min 40 s", "2 h 5 min".
func Rough(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600 && s%60 == 0:
		return fmt.Sprintf("%d min", s/60)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	default:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	}
}
