package worker

// An Event is one step in the life of one attempt. Observers get it on the goroutine (and, with prefork, in the
// process) where it happened, before the worker goes on.
type Event struct {
	Kind    EventKind
	ID      string // the task's id; may be empty when the message could not be read
	Attempt uint64
	Outcome Outcome // for Finished
	PID     int     // of the process that ran the attempt, when it is not this one: a lost child's; see Finished
}

// EventKind is the step; Outcome how it went.
type (
	EventKind uint8
	Outcome   uint8
)

// The steps of an attempt: Received, Started, Finished, Acked; with early acknowledgement Acked comes after Started,
// and as a rule before Finished. Finished is observed in the process that ran the attempt; of a child that died it is
// observed by the parent, and then it may come twice, with the same outcome. An attempt whose message expired, or
// whose task this worker had finished before under another delivery, goes from Received to Acked. Returned is a
// message given back to the broker, unrun or after its child was lost. Malformed stands for a message that could not
// be read, names no known task, or killed too many children; it is kept aside in the dead letter queue. Told comes between
// Started and Finished, in the process that runs the attempt: its context has ended for its soft limit.
const (
	Received EventKind = 1 + iota
	Started
	Finished
	Acked
	Stored // the result is visible; said before Acked, and only with a result backend
	Returned
	Malformed
	Told
)

// How an attempt finished. Retried attempts are not the end of their task; killed ones never came to theirs.
const (
	OK Outcome = 1 + iota
	Failed
	Retried
	TimedOut
	Killed
)

// An Observer is told every event, from many goroutines at once. What it has been told must survive the SIGKILL
// of its process if it is to serve as evidence.
type Observer interface{ Observe(Event) }

type blind struct{}

func (blind) Observe(Event) {}
