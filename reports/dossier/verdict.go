package dossier

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
	"taskbench/harness/faults"
	"taskbench/harness/ledger"
	"taskbench/reports/units"
)

// A story is one task with the history that it is part of.
type story struct {
	ledger.Task
	book *Book
}

// verdict is the task's class and, in a sentence, what became of it and why.
func (s story) verdict() (class, sentence string) {
	switch n := s.Executed(); {
	case n > 1:
		return "duplicated", fmt.Sprintf("run to its end %d times: %s", n, s.again())
	case n == 1:
		return s.once()
	}
	last, any := s.last()
	switch {
	case s.Publish == ledger.PublishFailed:
		return "refused", fmt.Sprintf("refused: the broker provably did not take it at %s%s", at(s.PublishEnd), s.while(s.PublishEnd))
	case s.Publish == ledger.Unpublished && s.PublishStart == 0:
		return "unpublished", "never published: nobody handed it to the broker"
	case any && slices.ContainsFunc(s.Attempts, func(a ledger.Attempt) bool { return a.Malformed }):
		return "kept aside", fmt.Sprintf("kept aside by a worker, which could not run it or gave up on it after %s", units.Plural(len(s.Attempts), "attempt"))
	case slices.Contains(s.book.meta.LeftIDs, s.Seq):
		return "stuck", fmt.Sprintf("stuck: still in the broker when the drain ended at %s", at(s.book.meta.DrainEnded))
	case s.Publish != ledger.PublishOK:
		return "unknown", fmt.Sprintf("unknown: its publish, begun at %s, was never answered, and nobody ran it to its end%s", at(s.PublishStart), s.while(s.PublishStart))
	}
	how := "and never received by any worker"
	since := s.PublishEnd
	if any {
		how, since = "and "+s.far(last), latest(last)
	}
	told := fmt.Sprintf("acknowledged to its publisher at %s %s", at(s.PublishEnd), how)
	if why := s.open(); why != "" {
		return "missing", fmt.Sprintf("missing, and perhaps not lost, since %s: %s%s", why, told, s.because(last, since))
	}
	return "lost", "lost: " + told + s.because(last, since)
}

// once is the verdict on a task that was run to its end one time.
func (s story) once() (class, sentence string) {
	i := slices.IndexFunc(s.Attempts, ledger.Attempt.Completed)
	a := s.Attempts[i]
	ran := fmt.Sprintf("run to its end once, by %s at %s, %s", s.book.node(a.Node), at(a.Finished), a.Outcome)
	if s.Due != 0 || s.Seq < uint64(s.book.h.Len()) {
		ran += fmt.Sprintf(", %s after it was due", at(a.Finished-s.Due))
	}
	if i > 0 {
		before := s.Attempts[i-1]
		ran += fmt.Sprintf("; the attempt before was %s%s", s.far(before), s.fault(before, latest(before)))
	}
	switch {
	case s.Seq >= uint64(s.book.h.Len()):
		return "unexpected", "unexpected: never due, and " + ran
	case s.Publish == ledger.PublishOK:
		return "executed", ran
	case s.Publish == ledger.PublishFailed:
		return "refused", "executed although its publish was refused: " + ran
	case s.PublishStart == 0:
		return "unexpected", "unexpected: never published, and " + ran
	}
	return "recovered", "recovered: how its publish went was unknown, and it was " + ran
}

// again says why a task that was done was handed out again.
func (s story) again() string {
	i := slices.IndexFunc(s.Attempts, ledger.Attempt.Completed)
	a := s.Attempts[i]
	told := fmt.Sprintf("first by %s at %s", s.book.node(a.Node), at(a.Finished))
	if a.Acked != 0 {
		return told + fmt.Sprintf(", acknowledged at %s, and handed out again all the same%s", at(a.Acked), s.fault(a, a.Acked))
	}
	return told + ", which was never acknowledged, so that the broker handed it out again" + s.fault(a, a.Finished)
}

// open says why a missing task need not be lost, or "".
func (s story) open() string {
	m := s.book.meta
	switch {
	case m.Aborted != "":
		return "the run was cut short (" + m.Aborted + ")"
	case m.Unrecorded > 0:
		return fmt.Sprintf("%d events could not be recorded", m.Unrecorded)
	case !m.Drained:
		return "the drain did not end"
	}
	return ""
}

func (s story) last() (ledger.Attempt, bool) {
	if len(s.Attempts) == 0 {
		return ledger.Attempt{}, false
	}
	return s.Attempts[len(s.Attempts)-1], true
}

// far is how far an attempt came that did not end the task.
func (s story) far(a ledger.Attempt) string {
	node := s.book.node(a.Node)
	switch {
	case a.Returned:
		return fmt.Sprintf("given back unrun by %s", node)
	case a.Outcome == ledger.Retried:
		return fmt.Sprintf("to be tried again, which %s asked for at %s", node, at(a.Finished))
	case a.Outcome == ledger.Killed:
		return fmt.Sprintf("killed with its process on %s at %s", node, at(a.Finished))
	case a.Started != 0 && a.Acked != 0:
		return fmt.Sprintf("acknowledged to the broker at %s, started by %s at %s and never finished", at(a.Acked), node, at(a.Started))
	case a.Started != 0:
		return fmt.Sprintf("started by %s at %s and never finished", node, at(a.Started))
	case a.Acked != 0:
		return fmt.Sprintf("acknowledged to the broker by %s at %s and never started", node, at(a.Acked))
	}
	return fmt.Sprintf("received by %s at %s and never started", node, at(a.Received))
}

// because connects a loss with what was done to the system. It claims a reason only where the durability class or the
// acknowledgement explains the loss, and else says what there was.
func (s story) because(a ledger.Attempt, since int64) string {
	broker := s.first(since, onBroker)
	forgets := s.first(since, func(f ledger.FaultSpan) bool {
		return onBroker(f) && faults.Forgets(f.Fault)
	})
	switch worker := s.hurt(a, since); {
	case worker != nil && a.Acked != 0:
		return fmt.Sprintf("; %s, after the broker had been told to forget it (acks %s)", tell(*worker), s.book.meta.Acks)
	case forgets != nil && s.book.cell.Durability == string(brokers.Memory):
		return fmt.Sprintf("; %s with durability memory", tell(*forgets))
	case worker != nil:
		return fmt.Sprintf("; %s, and the broker did not hand it out again", tell(*worker))
	case broker != nil:
		return fmt.Sprintf("; %s, which durability %s should have outlived", tell(*broker), s.book.cell.Durability)
	}
	return "; no fault was in force then or came after, so that nothing which was done explains it"
}

// onBroker tells whether a fault was one on the broker.
func onBroker(f ledger.FaultSpan) bool {
	return !strings.HasPrefix(f.Node, "worker") && !strings.HasPrefix(f.Node, "beat")
}

// fault names what hurt the attempt's worker, or else the broker, when something did.
func (s story) fault(a ledger.Attempt, since int64) string {
	next := s.next(a)
	within := func(f ledger.FaultSpan) bool { return next == 0 || f.At <= next }
	f := s.first(since, func(f ledger.FaultSpan) bool { return within(f) && f.Node == s.book.node(a.Node) })
	if f == nil {
		f = s.first(since, func(f ledger.FaultSpan) bool { return within(f) && onBroker(f) })
	}
	if f == nil {
		return ""
	}
	return "; " + tell(*f)
}

// next is when the attempt after this one began, 0 for the last.
func (s story) next(a ledger.Attempt) int64 {
	for _, b := range s.Attempts {
		if b.Since() > a.Since() {
			return b.Since()
		}
	}
	return 0
}

// hurt is the fault on the attempt's node from then on.
func (s story) hurt(a ledger.Attempt, since int64) *ledger.FaultSpan {
	node := s.book.node(a.Node)
	return s.first(since, func(f ledger.FaultSpan) bool { return a.Since() != 0 && f.Node == node })
}

// first is the first of such faults that was in force at a time or came after it.
func (s story) first(since int64, such func(ledger.FaultSpan) bool) *ledger.FaultSpan {
	var found *ledger.FaultSpan
	for i, f := range s.book.meta.Faults {
		if such(f) && (inForce(f, since) || f.At >= since) && (found == nil || f.At < found.At) {
			found = &s.book.meta.Faults[i]
		}
	}
	return found
}

// while names the faults in force at a time.
func (s story) while(t int64) string {
	var told []string
	for _, f := range s.book.meta.Faults {
		if inForce(f, t) {
			told = append(told, tell(f))
		}
	}
	if told == nil {
		return ", while no fault was in force"
	}
	return ", while in force: " + strings.Join(told, " and ")
}

// spans are the faults that met the task between its due time and its last event; where it came to no end, also the
// first one after that on each kind of node.
func (s story) spans() []ledger.FaultSpan {
	from, to := s.Due, max(s.Due, s.PublishStart, s.PublishEnd)
	if s.Due == 0 && len(s.Attempts) > 0 {
		from = s.Attempts[0].Since()
	}
	for _, a := range s.Attempts {
		to = max(to, latest(a))
	}
	seen := map[bool]bool{}
	var list []ledger.FaultSpan
	for _, f := range s.book.meta.Faults {
		after := s.Executed() == 0 && f.At > to && !seen[onBroker(f)]
		if f.At <= to && (f.Healed == 0 || f.Healed >= from) || after {
			list = append(list, f)
		}
		if f.At > to {
			seen[onBroker(f)] = true
		}
	}
	// What the verdict names is among them.
	if a, ok := s.last(); ok && s.Executed() == 0 {
		if f := s.hurt(a, latest(a)); f != nil && !slices.Contains(list, *f) {
			list = append(list, *f)
		}
	}
	slices.SortStableFunc(list, func(a, b ledger.FaultSpan) int { return int(a.At - b.At) })
	return list
}

func inForce(f ledger.FaultSpan, t int64) bool {
	return f.At <= t && (f.Healed == 0 || t < f.Healed)
}

// tell names a fault: "broker was hurt by kill (fault 3) at 10.300 s".
func tell(f ledger.FaultSpan) string {
	name := f.Fault
	if f.Number > 0 {
		name = fmt.Sprintf("fault %d, %s", f.Number, f.Fault)
	}
	return fmt.Sprintf("%s on %s began at %s", name, f.Node, at(f.At))
}

func latest(a ledger.Attempt) int64 { return max(a.Received, a.Started, a.Finished, a.Acked, a.Stored) }

func at(ns int64) string { return fmt.Sprintf("%.3f s", seconds(ns)) }
