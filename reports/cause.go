package reports

import (
	"fmt"
	"strings"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/harness/faults"
	"taskbench/reports/units"
)

// lossOf says what a cell lost, and what is known of the reason.
func lossOf(g group, named bool) string {
	c := g.worst()
	who := "it"
	if named {
		who = g.Label
	}
	s := fmt.Sprintf("%s lost %s of %s acknowledged tasks", who, units.Count(c.Counts.Lost), units.Count(c.Counts.Acknowledged))
	if len(g.Cells) > 1 {
		s += fmt.Sprintf(" in the worst of %d repeats", len(g.Cells))
	}
	return s + cause(c)
}

// cause connects a loss to what was done to the cell. It claims a reason only where the declared durability or
// the ack policy says that such a fault loses tasks.
func cause(c harness.Cell) string {
	hit := mishaps(c.Faults)
	if len(hit) == 0 {
		return ", and no fault was injected"
	}
	for _, f := range c.Faults {
		switch {
		case forgot(c, f):
			return ": its durability class is memory, and " + list(hit)
		case !onBroker(f) && c.Acks == "early" && (strings.HasPrefix(f.Fault, "kill") || f.Fault == "stop"):
			return ": its workers acknowledge early, and " + list(hit)
		}
	}
	return " after " + list(hit)
}

func onBroker(f harness.FaultResult) bool { return strings.HasPrefix(f.Node, "broker") }

// forgot tells whether the fault ended the broker's process, and with it what that kept in memory alone.
func forgot(c harness.Cell, f harness.FaultResult) bool {
	return onBroker(f) && faults.Forgets(f.Fault) && c.Durability == string(brokers.Memory)
}

// mishaps says what the faults did, each once.
func mishaps(done []harness.FaultResult) []string {
	var said []string
	for i, f := range done {
		node := f.Node
		if node == "" {
			node = "system"
		}
		// A numbered node has a name; a role takes an article.
		if !strings.ContainsAny(node, "0123456789") {
			node = "the " + node
		}
		var what string
		switch f.Fault {
		case "kill":
			what = node + " was killed"
		case "stop":
			what = node + " was stopped"
		case "pause":
			what = node + " was paused"
		case "disconnect":
			what = "the connections to " + node + " were cut"
		case "reset":
			what = "the connections to " + node + " were reset"
		case "half-open", "blackhole":
			what = "the network to " + node + " fell silent"
		case "bandwidth":
			what = "the network to " + node + " was narrowed"
		case "restart", "rolling-restart":
			what = node + " was restarted"
		case "wipe":
			what = node + " was killed and its data removed"
		case "crash-loop":
			what = node + " was killed again and again"
		case "oom":
			what = node + " was killed for want of memory"
		case "latency":
			what = "the network to " + node + " was slowed"
		case "kill-child":
			what = "a pool child of " + node + " was killed"
		default:
			what = f.Fault + " was done to " + node
		}
		if i == 0 {
			what += " " + units.Seconds(f.At) + " into the load"
		}
		if len(said) < 3 {
			said = append(said, what)
		}
	}
	if rest := len(done) - len(said); rest > 0 {
		said = append(said, units.Plural(rest, "more fault")+" followed")
	}
	return said
}

// why says why a cell failed that lost nothing.
func why(c harness.Cell) string {
	for _, e := range c.Expectations {
		if !e.Held && !e.Undecided {
			return fmt.Sprintf(": it was expected that %s, %s", e.Expect, got(e))
		}
	}
	if len(c.Findings) > 0 {
		return ": " + strings.TrimSuffix(c.Findings[0].Text, ".")
	}
	if len(c.Warnings) > 0 {
		return because(c.Warnings)
	}
	return ", and the result does not say why"
}

// got says what an expectation that was not met met with.
func got(e harness.Expectation) string {
	switch {
	case e.Value != nil:
		return "and the value was " + value(e.Value)
	case e.Why != "":
		return "but " + strings.TrimSuffix(e.Why, ".")
	default:
		return "and it was not so"
	}
}

// value spells an expectation's value, which has no unit of its own.
func value(v any) string {
	switch x := v.(type) {
	case nil:
		return units.None
	case float64:
		return units.Number(x)
	case int:
		return units.Count(x)
	case int64:
		return units.Count(x)
	default:
		return fmt.Sprint(x)
	}
}

// reason is the first thing that a cell says about itself.
func reason(c harness.Cell) string {
	if len(c.Warnings) == 0 {
		return "no reason was recorded"
	}
	return strings.TrimSuffix(c.Warnings[0], ".")
}

func because(warnings []string) string {
	if len(warnings) == 0 {
		return ""
	}
	return ": " + strings.TrimSuffix(warnings[0], ".")
}
