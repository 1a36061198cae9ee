package checks

import (
	"fmt"

	"taskbench/harness/ledger"
)

// A judge is one check at work on one history: it sees every task in order and then says its verdict.
type judge struct {
	see func(*subject)
	end func() Verdict
}

const keptFindings = 100

// A book is where a judge keeps what it found.
type book struct {
	sc *scope
	v  Verdict
}

// found counts n for the task and keeps the sentence, if it is among the first.
func (b *book) found(s *subject, n int, format string, args ...any) {
	b.v.Count += n
	if len(b.v.Findings) >= keptFindings {
		return
	}
	f := Finding{Task: ledger.Foreign, Text: fmt.Sprintf(format, args...)}
	if s != nil {
		f.Task, f.ID = s.Seq, b.id(s.Seq)
	}
	b.v.Findings = append(b.v.Findings, f)
}

// id is the task's on the wire; "" where the history has none.
func (b *book) id(seq uint64) string {
	if b.sc.Run == "" || seq >= ledger.MaxSeq {
		return ""
	}
	return b.sc.run.ID(seq)
}

// among is found for what is about many tasks, of which a few are known: the first is the finding's, and all are named.
func (b *book) among(tasks []uint64, format string, args ...any) {
	if len(tasks) == 0 {
		b.found(nil, 1, format, args...)
		return
	}
	text := fmt.Sprintf(format, args...)
	for i, seq := range tasks {
		if id := b.id(seq); id != "" {
			text += [...]string{"; among them ", ", "}[min(i, 1)] + id
		}
	}
	b.found(&subject{Task: &ledger.Task{Seq: tasks[0]}}, 1, "%s", text)
}

// fewTasks is how many tasks such a finding names.
const fewTasks = 3

// note adds a task to a few.
func note(few *[]uint64, seq uint64) {
	if len(*few) < fewTasks {
		*few = append(*few, seq)
	}
}

// present is the verdict of a check that rests on evidence that is there: doubt keeps it only from passing.
func (b *book) present(nothing, doubt string) Verdict {
	switch {
	case b.v.Count > 0:
		b.v.Outcome = Found
	case b.v.Examined == 0:
		b.v.Why = nothing
	case doubt != "":
		b.v.Why = doubt
	default:
		b.v.Outcome = Pass
	}
	return b.v
}

// absent is the verdict of a check that rests on evidence that is not there: in doubt nothing is decided.
func (b *book) absent(nothing, doubt string) Verdict {
	if doubt != "" && b.v.Examined > 0 {
		b.v.Why = doubt
		return b.v
	}
	return b.present(nothing, "")
}

// seconds is a time since the run's start for people.
func seconds(ns int64) string { return fmt.Sprintf("%.3f s", float64(ns)/1e9) }
