package ledger

// An attempt is an Attempt while its events come in, in any order: they are read from the files of several
// processes. How many runs come out, and how many completed, does not depend on that order.
type attempt struct {
	Attempt
	runner bool // PID and Node are those of the process that ran it, not of the one that received it
}

// secondHand outcomes are what a parent says of a child that it lost or gave up. The child's own word, if there is
// one, counts for more, and the two speak of the same run.
func secondHand(o Outcome) bool { return o == Killed || o == TimedOut }

func rank(o Outcome) int {
	switch o {
	case None:
		return 0
	case Killed:
		return 1
	case TimedOut:
		return 2
	}
	return 3
}

// takes tells whether the event can belong to this run of the attempt. One that cannot (a second start, a second
// end by the runner's own word, another runner) makes a further Attempt of the same id: a delivery that was run
// twice must count twice. An event that is told twice, with the same time, is one event.
func (a *attempt) takes(e *Event) bool {
	if a.ID != e.Attempt {
		return false
	}
	switch e.Kind {
	case Started:
		return a.sameRunner(e) && (a.Started == 0 || a.Started == e.At)
	case Told:
		return a.sameRunner(e) && (a.Told == 0 || a.Told == e.At)
	case Finished:
		if secondHand(e.Outcome) || secondHand(a.Outcome) {
			return a.sameRunner(e)
		}
		return a.sameRunner(e) && (a.Finished == 0 || a.Finished == e.At && a.Outcome == e.Outcome)
	}
	return true
}

func (a *attempt) sameRunner(e *Event) bool { return !a.runner || a.PID == e.PID || e.PID == 0 }

// take adds the event's evidence.
func (a *attempt) take(e *Event) {
	a.ID = e.Attempt
	switch e.Kind {
	case Received:
		earliest(&a.Received, e.At)
	case Started:
		earliest(&a.Started, e.At)
	case Finished:
		a.finish(e)
	case Acked:
		earliest(&a.Acked, e.At)
	case Stored:
		earliest(&a.Stored, e.At)
	case Told:
		earliest(&a.Told, e.At)
	case Returned:
		a.Returned = true
		earliest(&a.Received, e.At)
	case Malformed:
		a.Malformed = true
		earliest(&a.Received, e.At)
	}
	ran := e.Kind == Started || e.Kind == Told || e.Kind == Finished && !secondHand(e.Outcome)
	if ran && e.PID != 0 && !a.runner || a.PID == 0 {
		a.PID, a.Node, a.runner = e.PID, e.Node, ran && e.PID != 0
	}
}

func (a *attempt) finish(e *Event) {
	switch was, is := rank(a.Outcome), rank(e.Outcome); {
	case is > was:
		a.Outcome, a.Finished = e.Outcome, e.At
	case is == was:
		earliest(&a.Finished, e.At)
	}
}

func earliest(t *int64, at int64) {
	if *t == 0 || at < *t {
		*t = at
	}
}

// isOpen is true as long as a process has the attempt: it was received, and neither finished, given back, kept
// aside, nor acknowledged unrun.
func (a *attempt) isOpen() bool {
	known := a.Received != 0 || a.Started != 0
	return known && !a.Returned && !a.Malformed && a.Finished == 0 && (a.Acked == 0 || a.Started != 0)
}
