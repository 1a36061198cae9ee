package tasks

import (
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/worker/message"
)

// note keeps what a line of the workload asks of its tasks, with the queue where there are several. Lines that ask for the same share it; of lines beyond what
// a history has room for nothing is known.
func (m *Mix) note(t scenario.TaskMix, queue string) {
	terms := ledger.Terms{Task: t.Task, ETA: int64(t.ETA), Expires: int64(t.Expires), Soft: int64(t.Soft), Limit: int64(t.Limit), Retries: t.Fails, Keys: t.Keys, Queue: queue}
	i := slices.Index(m.terms, terms)
	if i < 0 && len(m.terms) < ledger.MaxTerms {
		i = len(m.terms)
		m.terms = append(m.terms, terms)
	}
	m.of = append(m.of, uint8(i+1))
}

// Terms are what the tasks of the workload are asked for, for Meta.Terms. The caller must not change them.
func (m *Mix) Terms() []ledger.Terms { return m.terms }

// TermsOf is what ledger.Task.Terms is to be for a task.
func (m *Mix) TermsOf(seq uint64) uint8 { return m.of[m.line(seq)] }

// Ask writes into a message of Message what its terms ask for by the clock: its headers are its own. The broker is not
// told of the expiry: a worker that lets the task lapse says so, and a broker would not.
func (m *Mix) Ask(to *brokers.Message, seq uint64, due time.Time) {
	t := &m.kinds[m.line(seq)].mix
	if t.ETA > 0 {
		to.Headers["eta"] = message.FormatTime(due.Add(t.ETA).UTC())
	}
	if t.Expires > 0 {
		to.Headers["expires"] = message.FormatTime(due.Add(t.Expires).UTC())
	}
}
