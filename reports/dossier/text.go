package dossier

import (
	"fmt"
	"io"
	"strings"
)

// Text writes a dossier for people.
func Text(w io.Writer, d Dossier) error {
	var b strings.Builder
	fmt.Fprintf(&b, "task %s of %s\n  %s.\n\n", d.ID, d.Cell, d.Verdict)
	fmt.Fprintf(&b, "  %11s  %-36s %-10s %7s  %s\n", "time", "what", "node", "process", "faults in force")
	for _, e := range d.Events {
		what, pid := e.What, ""
		if e.Attempt > 0 {
			what = fmt.Sprintf("attempt %d %s", e.Attempt, e.What)
		}
		if e.PID != 0 {
			pid = fmt.Sprint(e.PID)
		}
		var force []string
		for _, i := range e.Faults {
			force = append(force, d.Faults[i-1].name())
		}
		line := fmt.Sprintf("  %9.3f s  %-36s %-10s %7s  %s", e.At, what, e.Node, pid, strings.Join(force, ", "))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if len(d.Faults) > 0 {
		b.WriteString("\n  faults\n")
	}
	for _, f := range d.Faults {
		until := "never healed"
		if f.Healed > 0 {
			until = fmt.Sprintf("healed at %.3f s", f.Healed)
		}
		fmt.Fprintf(&b, "  %9.3f s  %s, %s: %s\n", f.At, f.name(), until, f.Proof)
	}
	if len(d.Findings) > 0 {
		b.WriteString("\n  findings\n")
	}
	for _, f := range d.Findings {
		fmt.Fprintf(&b, "    %s: %s\n", f.Check, f.Text)
	}
	for _, l := range d.Log {
		fmt.Fprintf(&b, "\n  %s\n", l.File)
		for _, line := range l.Lines {
			if len(line) > 220 {
				line = strings.ToValidUTF8(line[:220], "") + "..." // the cut may be in the middle of a letter
			}
			fmt.Fprintf(&b, "    %s\n", line)
		}
		if l.More > 0 {
			fmt.Fprintf(&b, "    and %d more lines around these times\n", l.More)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Fault) name() string {
	if f.Number == 0 {
		return fmt.Sprintf("%s on %s", f.Fault, f.Node)
	}
	return fmt.Sprintf("%d: %s on %s", f.Number, f.Fault, f.Node)
}
