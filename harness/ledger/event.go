package ledger

// Kind is what happened; the values are part of the evidence file format and never change.
type Kind uint8

// The steps of one attempt. Returned is given back unrun; Malformed is a message that could not be read, or
// that names no known task, and was kept aside; Told is that the running task was told that its soft limit is over.
const (
	Received Kind = 1 + iota
	Started
	Finished
	Acked
	Stored
	Returned
	Malformed
	Told
)

// Outcome is how an attempt finished; part of the file format too.
type Outcome uint8

// Only OK, Failed and TimedOut are ends of a task: Retried announces another attempt, Killed died on the way.
const (
	None Outcome = iota
	OK
	Failed
	Retried
	TimedOut
	Killed
)

// PublishOutcome is what the publisher knows of a message.
type PublishOutcome uint8

// Unknown is the outcome of a publish whose confirmation never came: it may have been stored or not.
const (
	Unpublished   PublishOutcome = iota // due, but never attempted
	PublishOK                           // acknowledged by the broker
	PublishFailed                       // provably not stored
	PublishUnknown
)

// An Event is one piece of evidence: 32 bytes in an evidence file.
type Event struct {
	Task    uint64 // sequence number within the run; Foreign for a task that is not of this run
	Attempt uint64 // names the attempt, unique among all workers of a run
	At      int64  // nanoseconds on the host's monotonic clock
	PID     uint32
	Node    uint16
	Kind    Kind
	Outcome Outcome
}

// Foreign is the Task of events about messages that do not belong to the run.
const Foreign = ^uint64(0)

// An Attempt is one handing-over of one task to one worker, put together from its events. Times are nanoseconds
// since the run's start, 0 where the step was never reached.
type Attempt struct {
	ID                                 uint64
	Received, Started, Finished, Acked int64
	Stored, Told                       int64
	Node                               uint16
	PID                                uint32
	Outcome                            Outcome
	Returned                           bool // given back unrun
	Malformed                          bool // could not be read or run, and was kept aside
}

// Completed tells whether the attempt ran the task to its end, well or badly. A retry that the task asked for
// is not an end.
func (a Attempt) Completed() bool {
	return a.Outcome == OK || a.Outcome == Failed || a.Outcome == TimedOut
}

// Since is the time of the first thing that is known of the attempt, 0 when nothing is.
func (a Attempt) Since() int64 {
	first := a.Received
	for _, t := range [...]int64{a.Started, a.Finished, a.Acked, a.Stored, a.Told} {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

// A Task is the whole history of one task. Times are nanoseconds since the run's start.
type Task struct {
	Seq          uint64
	Due          int64
	PublishStart int64
	PublishEnd   int64
	Publish      PublishOutcome
	Terms        uint8     // what was asked of it: Meta.Asked; 0 is not known
	Attempts     []Attempt // in order of Attempt.Since
}

// Executed tells how many attempts ran the task to its end.
func (t Task) Executed() int {
	n := 0
	for _, a := range t.Attempts {
		if a.Completed() {
			n++
		}
	}
	return n
}
