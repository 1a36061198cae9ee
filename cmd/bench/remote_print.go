package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// A printer shows the answers of workers to people. Nothing that a worker says reaches a terminal as a command.
type printer struct{ strings.Builder }

// answer shows what one worker said, and tells whether that was a refusal.
func (p *printer) answer(node string, raw json.RawMessage, show func(*printer, json.RawMessage)) (refused bool) {
	var said struct {
		OK    *string `json:"ok"`
		Error *string `json:"error"`
	}
	_ = json.Unmarshal(raw, &said) // where it is something else, both stay nil
	switch {
	case said.Error != nil:
		p.line("%s: refused: %s", node, *said.Error)
		return true
	case said.OK != nil && strings.Contains(*said.OK, "\n"):
		p.line("%s:", node)
		for text := range strings.Lines(strings.TrimSpace(*said.OK)) {
			p.line("  %s", strings.TrimRight(text, "\n"))
		}
	case said.OK != nil:
		p.line("%s: %s", node, *said.OK)
	default:
		p.line("%s:", node)
		if show == nil {
			show = showTree
		}
		show(p, raw)
	}
	return false
}

func (p *printer) line(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.WriteString(text + "\n")
}

// table shows rows under a heading, or that there are none.
func (p *printer) table(heading string, rows [][]string) {
	if len(rows) == 0 {
		p.line("  none")
		return
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, heading) // to memory
	for _, row := range rows {
		for i := range row {
			row[i] = strings.Join(strings.Fields(row[i]), " ") // a tab would be a column
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // likewise
	}
	_ = w.Flush() // likewise
	for text := range strings.Lines(b.String()) {
		p.line("  %s", strings.TrimRight(text, " \n"))
	}
}

// showTree shows any value: a line for each name that has one, and the names of what has more above them.
func showTree(p *printer, raw json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // as it was written
	var v any
	if d.Decode(&v) != nil {
		p.line("  %s", raw)
		return
	}
	p.tree("  ", "", v)
}

func (p *printer) tree(indent, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if name != "" && len(v) > 0 {
			p.line("%s%s", indent, name)
			indent += "  "
		}
		for _, inner := range slices.Sorted(maps.Keys(v)) {
			p.tree(indent, inner+":", v[inner])
		}
		if len(v) > 0 {
			return
		}
	case []any:
		var texts []string
		for i, inner := range v {
			switch inner.(type) {
			case map[string]any, []any:
				p.tree(indent, fmt.Sprintf("%s %d:", strings.TrimSuffix(name, ":"), i+1), inner)
			default:
				texts = append(texts, scalar(inner))
			}
		}
		if len(texts) > 0 || len(v) == 0 {
			p.line("%s", strings.TrimRight(indent+strings.TrimSpace(name+" "+strings.Join(texts, ", ")), " "))
		}
		return
	}
	p.line("%s", indent+strings.TrimSpace(name+" "+scalar(v)))
}

// scalar is a value that is neither list nor object, or one without members.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case map[string]any:
		return "none"
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// showLines shows a list of texts.
func showLines(p *printer, raw json.RawMessage) {
	var lines []string
	if json.Unmarshal(raw, &lines) != nil {
		showTree(p, raw)
		return
	}
	if len(lines) == 0 {
		p.line("  none")
	}
	for _, text := range lines {
		p.line("  %s", text)
	}
}

// A toldTask is what is shown of a task that a worker tells of.
type toldTask struct {
	ID, Name     string
	Args, Kwargs json.RawMessage
	TimeStart    *float64 `json:"time_start"`
}

func (t toldTask) row() []string {
	started := "-"
	if t.TimeStart != nil {
		started = time.UnixMilli(int64(*t.TimeStart * 1000)).UTC().Format("15:04:05.000")
	}
	return []string{t.ID, t.Name, started, t.arguments()}
}

// arguments are shown as they come, as lists or as texts of them.
func (t toldTask) arguments() string {
	var parts []string
	for _, raw := range []json.RawMessage{t.Args, t.Kwargs} {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		parts = append(parts, text)
	}
	text := []rune(strings.Join(parts, " "))
	if len(text) > 80 {
		return string(text[:77]) + "..."
	}
	return string(text)
}

const taskHeading = "ID\tTASK\tSTARTED (UTC)\tARGUMENTS"

func showTasks(p *printer, raw json.RawMessage) {
	var tasks []toldTask
	if json.Unmarshal(raw, &tasks) != nil {
		showTree(p, raw)
		return
	}
	var rows [][]string
	for _, t := range tasks {
		rows = append(rows, t.row())
	}
	p.table(taskHeading, rows)
}

func showScheduled(p *printer, raw json.RawMessage) {
	var waiting []struct {
		ETA     string
		Request toldTask
	}
	if json.Unmarshal(raw, &waiting) != nil {
		showTree(p, raw)
		return
	}
	var rows [][]string
	for _, w := range waiting {
		rows = append(rows, []string{w.ETA, w.Request.ID, w.Request.Name, w.Request.arguments()})
	}
	p.table("DUE\tID\tTASK\tARGUMENTS", rows)
}

func showQueues(p *printer, raw json.RawMessage) {
	var queues []struct {
		Name       string
		RoutingKey string `json:"routing_key"`
		Exchange   struct{ Name, Type string }
	}
	if json.Unmarshal(raw, &queues) != nil {
		showTree(p, raw)
		return
	}
	var rows [][]string
	for _, q := range queues {
		rows = append(rows, []string{q.Name, q.Exchange.Name, q.Exchange.Type, q.RoutingKey})
	}
	p.table("QUEUE\tEXCHANGE\tKIND\tKEY", rows)
}

func showFound(p *printer, raw json.RawMessage) {
	var found map[string][2]json.RawMessage
	if json.Unmarshal(raw, &found) != nil {
		showTree(p, raw)
		return
	}
	var rows [][]string
	for _, id := range slices.Sorted(maps.Keys(found)) {
		var state string
		var t toldTask
		_, _ = json.Unmarshal(found[id][0], &state), json.Unmarshal(found[id][1], &t) // what cannot be read stays empty
		rows = append(rows, append([]string{state}, t.row()...))
	}
	p.table("STATE\t"+taskHeading, rows)
}
