// Package dossier is all that a result knows of one task: what happened to it and when, which faults were in force, what
// the nodes logged, which checks name it, and why it ended as it did.
package dossier

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"taskbench/harness"
	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// A Dossier is one task of one cell. Times are seconds since the cell's load began, warm-up included.
type Dossier struct {
	ID       string            `json:"id"`
	Cell     string            `json:"cell"`
	Class    string            `json:"class"`   // lost, executed, duplicated, ...
	Verdict  string            `json:"verdict"` // what became of it and why, in a sentence
	Events   []Event           `json:"events"`  // in order of time
	Faults   []Fault           `json:"faults"`  // those that the events, or the verdict, have to do with
	Findings []harness.Finding `json:"findings"`
	Log      []Log             `json:"log"`
}

// An Event is one step of the task. A publisher's events have no node.
type Event struct {
	At      float64 `json:"at"`
	What    string  `json:"what"`
	Node    string  `json:"node,omitempty"`
	PID     uint32  `json:"pid,omitempty"`
	Attempt int     `json:"attempt,omitempty"` // from 1, in order of time
	Faults  []int   `json:"faults,omitempty"`  // that were in force then: positions in Dossier.Faults, from 1
}

// A Fault is one that the cell suffered.
type Fault struct {
	Number int     `json:"number"` // of its line in scenario.yaml, 0 where it is not known
	Fault  string  `json:"fault"`
	Node   string  `json:"node"`
	At     float64 `json:"at"`
	Healed float64 `json:"healed"` // 0 never
	Proof  string  `json:"proof"`
}

// A Log is what one node logged about the task, or while something happened to it.
type Log struct {
	Node  string   `json:"node"`
	File  string   `json:"file"`
	Lines []string `json:"lines"`
	More  int      `json:"more,omitempty"` // lines as near that were left out
}

// A Book is the history of one cell, opened.
type Book struct {
	cell   harness.Cell
	h      ledger.History
	meta   ledger.Meta
	run    ledger.Run
	report checks.Report
	logs   fs.FS
}

// NewBook judges the history of a cell. Logs is the result directory; a log that it has not is left out.
func NewBook(cell harness.Cell, h ledger.History, logs fs.FS) (*Book, error) {
	run, err := ledger.ParseRun(h.Meta().Run)
	if err != nil {
		return nil, err
	}
	return &Book{cell: cell, h: h, meta: h.Meta(), run: run, report: checks.Run(h), logs: logs}, nil
}

// CellName is the name of a cell as it is in its files, "" for one without a history.
func CellName(c harness.Cell) string {
	return strings.TrimSuffix(strings.TrimPrefix(c.History, "history."), ".tbz")
}

// Of is the dossier of the task with the sequence number; false when there is no such task.
func (b *Book) Of(seq uint64) (Dossier, bool) {
	task, ok := b.task(seq)
	if !ok {
		return Dossier{}, false
	}
	s := story{Task: task, book: b}
	d := Dossier{ID: b.run.ID(seq), Cell: CellName(b.cell), Findings: b.findings(seq)}
	d.Class, d.Verdict = s.verdict()
	d.Events = s.events()
	spans := s.spans()
	for i, f := range spans {
		d.Faults = append(d.Faults, Fault{f.Number, f.Fault, f.Node, seconds(f.At), seconds(f.Healed), f.Proof})
		for j := range d.Events {
			if e := &d.Events[j]; inForce(f, int64(e.At*1e9)) {
				e.Faults = append(e.Faults, i+1)
			}
		}
	}
	d.Log = b.around(d)
	return d, true
}

func (b *Book) task(seq uint64) (ledger.Task, bool) {
	if seq < uint64(b.h.Len()) {
		return b.h.Task(int(seq)), true
	}
	for t := range b.h.All() { // those that were never due come last
		if t.Seq == seq {
			t.Attempts = slices.Clone(t.Attempts)
			return t, true
		}
	}
	return ledger.Task{}, false
}

// findings are those that name the task. Of a check that keeps only the first of many, the task is judged by itself.
func (b *Book) findings(seq uint64) []harness.Finding {
	var list []harness.Finding
	for _, v := range b.report.Verdicts {
		found := v.Findings
		if v.Count > len(found) && len(found) > 0 && found[len(found)-1].Task < seq {
			found = alone(v.Name, b.h, seq)
		}
		for _, f := range found {
			if f.Task == seq {
				list = append(list, harness.Finding{Check: v.Name, ID: f.ID, Text: f.Text})
			}
		}
	}
	return list
}

// events are the steps of the task in order.
func (s story) events() []Event {
	var list []Event
	add := func(at int64, e Event) {
		if at != 0 {
			e.At = seconds(at)
			list = append(list, e)
		}
	}
	if s.Seq < uint64(s.book.h.Len()) {
		list = append(list, Event{At: seconds(s.Due), What: "due"})
	}
	add(s.PublishStart, Event{What: "publish begun"})
	add(s.PublishEnd, Event{What: map[ledger.PublishOutcome]string{
		ledger.PublishOK: "publish acknowledged by the broker", ledger.PublishFailed: "publish refused", ledger.PublishUnknown: "publish given up, outcome unknown",
	}[s.Publish]})
	for i, a := range s.Attempts {
		of := Event{Node: s.book.node(a.Node), PID: a.PID, Attempt: i + 1}
		step := func(at int64, what string) { of.What = what; add(at, of) }
		switch {
		case a.Returned:
			step(a.Received, "received, given back unrun")
		case a.Malformed:
			step(a.Received, "received, kept aside")
		default:
			step(a.Received, "received")
		}
		step(a.Started, "started")
		step(a.Told, "told of its soft limit")
		step(a.Finished, "finished: "+a.Outcome.String())
		step(a.Acked, "acknowledged")
		step(a.Stored, "result stored")
	}
	slices.SortStableFunc(list, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return list
}

func (b *Book) node(i uint16) string {
	if int(i) < len(b.meta.Nodes) {
		return b.meta.Nodes[i]
	}
	return ""
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }
