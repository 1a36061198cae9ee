package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"taskbench/harness/scenario"
	"taskbench/worker/event"
)

// line is an event as one line, however it was sent.
func line(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 {
		return slices.Clip(raw)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return bytes.ReplaceAll(raw, []byte("\n"), []byte(" "))
	}
	return b.Bytes()
}

// text is an event for people: when, who, what.
func (m *monitor) text(e event.Event) string {
	at := e.Timestamp
	if at.IsZero() {
		at = e.Received
	}
	parts := []string{at.Local().Format("15:04:05.000"), e.Hostname, e.Type}
	switch e.Group() {
	case "task":
		parts = append(parts, m.task(e)...)
	case "worker":
		parts = append(parts, m.worker(e)...)
	}
	return printable(strings.Join(parts, "  "))
}

func (m *monitor) task(e event.Event) []string {
	t, _ := m.state.Task(e.UUID)
	parts := []string{cmp.Or(t.Name, "?") + "[" + e.UUID + "]"}
	switch e.Type {
	case "task-sent":
		parts = append(parts, t.Args, t.Kwargs, "to "+t.Queue)
	case "task-received":
		parts = append(parts, t.Args, t.Kwargs)
		if t.Retries > 0 {
			parts = append(parts, fmt.Sprintf("retry %d", t.Retries))
		}
		if !t.ETA.IsZero() {
			parts = append(parts, "not before "+t.ETA.Format(time.RFC3339))
		}
	case "task-succeeded":
		parts = append(parts, scenario.FormatDuration(t.Runtime.Round(10*time.Microsecond)), t.Result)
	case "task-failed", "task-retried":
		parts = append(parts, t.Exception)
	case "task-revoked":
		var r struct{ Terminated, Expired bool }
		_ = e.Fields(&r)
		if r.Expired {
			parts = append(parts, "expired")
		}
		if r.Terminated {
			parts = append(parts, "terminated")
		}
	}
	return parts
}

func (m *monitor) worker(e event.Event) []string {
	for _, w := range m.state.Workers() {
		if w.Hostname == e.Hostname {
			return []string{fmt.Sprintf("%d active, %d processed, load %.2f", w.Active, w.Processed, w.Load[0]), w.Software + " " + w.Version}
		}
	}
	return nil
}

// printable keeps what strangers wrote from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// summary says what it came to: on stdout, unless that is for machines.
func (m *monitor) summary(took time.Duration) {
	var to io.Writer = m.app.stdout
	if m.json || m.dump == "-" {
		to = m.app.stderr
	}
	now := m.app.now()
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer func() { _ = table.Flush() }()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) }
	say("\n%d events in %s", m.events, scenario.FormatDuration(took.Round(time.Second/10)))
	if n := m.receiver.Broken(); n > 0 {
		say(", %d could not be read", n)
	}
	if m.record != nil {
		say(", %d recorded in %s", m.record.events, m.record.file.Name())
	}
	say("\n")
	if workers := m.state.Workers(); len(workers) > 0 {
		say("\nWORKER\tSTATE\tACTIVE\tPROCESSED\tSOFTWARE\n")
		for _, w := range workers {
			state := "offline"
			if w.Alive(now) {
				state = "online"
			}
			say("%s\t%s\t%d\t%d\t%s\n", printable(w.Hostname), state, w.Active, w.Processed, printable(w.Software+" "+w.Version))
		}
	}
	if names, counts := m.counts(); len(names) > 0 {
		say("\nTASK\tCOUNT\tSTATES\n")
		for _, name := range names {
			say("%s\t%s\n", printable(name), counts[name])
		}
	}
}

// counts are the tasks' states by name.
func (m *monitor) counts() (names []string, counts map[string]string) {
	states := map[string]map[string]int{}
	for _, t := range m.state.Tasks() {
		name := cmp.Or(t.Name, "?")
		if states[name] == nil {
			states[name] = map[string]int{}
			names = append(names, name)
		}
		states[name][t.State]++
	}
	slices.Sort(names)
	counts = map[string]string{}
	for name, of := range states {
		all, each := 0, []string{}
		for state, n := range of {
			all += n
			each = append(each, fmt.Sprintf("%d %s", n, printable(strings.ToLower(state))))
		}
		slices.Sort(each)
		counts[name] = fmt.Sprintf("%d\t%s", all, strings.Join(each, ", "))
	}
	return names, counts
}
