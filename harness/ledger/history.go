package ledger

import "iter"

// A History is the record of one run of one cell, complete or (after an interruption) as far as it came.
// Checks judge it; `bench check` reads it back from disk years later.
type History interface {
	Meta() Meta
	// Len is the number of tasks that were due; Task(i) is valid below it.
	Len() int
	Task(i int) Task
	// All yields every task in order of its sequence number: those that were due, and after them any that were
	// not and left evidence all the same (Seq at or beyond Len, Publish Unpublished). The Task's Attempts slice
	// is valid until the next iteration: copy what is kept.
	All() iter.Seq[Task]
	// Foreign are the events about messages that do not belong to the run, at most the first thousand,
	// and their whole number.
	Foreign() ([]Event, int)
}

// Meta is what a check needs to know about the run besides its tasks. All times are nanoseconds since
// the run's start.
type Meta struct {
	Schema     int               `json:"schema"` // of the history file
	Run        string            `json:"run"`    // the run tag inside task ids, hexadecimal
	Scenario   string            `json:"scenario"`
	Broker     string            `json:"broker"` // "redis:aof-always"
	System     string            `json:"system"`
	Pool       string            `json:"pool"`
	Acks       string            `json:"acks"`
	Seed       uint64            `json:"seed"`
	Started    string            `json:"started"` // RFC 3339, wall clock
	Nodes      []string          `json:"nodes"`   // Event.Node and Attempt.Node are indexes into it
	Phases     []Phase           `json:"phases"`
	Faults     []FaultSpan       `json:"faults"`
	DrainEnded int64             `json:"drain_ended"`          // when the system fell quiet, or the drain limit passed
	Drained    bool              `json:"drained"`              // queue, unacked set and workers were seen empty
	Left       int               `json:"left"`                 // messages ready or unacked at the end, -1 unknown
	LeftIDs    []uint64          `json:"left_ids,omitempty"`   // sequence numbers of messages still in the broker, where they could be read
	Aborted    string            `json:"aborted,omitempty"`    // why the history is not whole
	Torn       int               `json:"torn,omitempty"`       // events that a killed process had begun to write
	Unrecorded int               `json:"unrecorded,omitempty"` // events that happened and could not be kept, for want of disk
	Tally      *Tally            `json:"tally,omitempty"`      // the recorder's own count, to hold against the tasks
	Settings   map[string]string `json:"settings,omitempty"`

	Terms   []Terms  `json:"terms,omitempty"`   // what was asked of tasks, see Task.Terms
	Ordered bool     `json:"ordered,omitempty"` // the broker promises order, and one worker took one message at a time
	Ticks   []Tick   `json:"ticks,omitempty"`   // what schedules were to send
	Chords  []Chord  `json:"chords,omitempty"`
	Series  []Series `json:"series,omitempty"` // what nodes used, thinned out

	Pieces []Piece `json:"pieces,omitempty"` // of a history in pieces: where its tasks are
	Piece  int     `json:"piece,omitempty"`  // of a file that is one of them: which, from 1
	First  uint64  `json:"first,omitempty"`  // and the sequence number of its first task
}

// A Tally is what the recorder counted while the run went on: the second set of books.
type Tally struct {
	Due        int `json:"due"`
	OK         int `json:"ok"`
	Failed     int `json:"failed"`
	Unknown    int `json:"unknown"`
	Executed   int `json:"executed"`   // distinct tasks run to their end
	Duplicates int `json:"duplicates"` // completed attempts beyond the first of their task
}

// A Phase is a span of the run: warmup, steady, fault, recovery or drain.
type Phase struct {
	Name string `json:"phase"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// A FaultSpan is one fault as it was really injected.
type FaultSpan struct {
	Number   int    `json:"number,omitempty"` // of its line in the schedule
	Fault    string `json:"fault"`
	Node     string `json:"node"`
	At       int64  `json:"at"`        // injection began
	InEffect int64  `json:"in_effect"` // proved effective
	Healing  int64  `json:"healing"`   // the undoing began; 0 never, or not known
	Healed   int64  `json:"healed"`    // proved healed; 0 never
	Proof    string `json:"proof"`
	Destroys bool   `json:"destroys,omitempty"` // what the broker held, by design
	Ends     bool   `json:"ends,omitempty"`     // the processes of its node

	// Of a fault on the wall clock of its node: by how many nanoseconds it was set ahead, and what it gained with each second.
	Ahead int64   `json:"ahead,omitempty"`
	Gains float64 `json:"gains,omitempty"`
}
