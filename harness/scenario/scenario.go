// Package scenario is one question asked of a system: a workload, a load, a schedule of faults, and what is
// expected. It reads them from YAML, strictly, and reports every mistake at once.
//
// It uses github.com/goccy/go-yaml, because its syntax tree keeps the line of every value: the package walks
// that tree itself, since a decoder stops at the first mistake.
package scenario

import (
	"slices"
	"time"
)

// A Scenario is one YAML file, resolved: every default is filled in.
type Scenario struct {
	Name     string // lower-case words joined by hyphens
	Asks     string // the question, in a sentence
	Workload Workload
	Load     Load
	System   System
	Faults   []Fault
	Chaos    Chaos // faults left to chance; Realise turns it into lines of Faults
	Expect   []Expect
	Drain    time.Duration // how long the drain may take
	Run      Run
	File     string // where it was read from; not part of what Marshal writes
}

// A Workload is a weighted mix of tasks.
type Workload struct {
	Name  string
	Tasks []TaskMix
	Chord int // of every Chord+1 tasks the first are the header of a chord, and the last is its body; 0: there are none
}

// Queues are those that the tasks of the workload go to, the one for all others by the given name, and first if it is used.
func (w Workload) Queues(otherwise string) []string {
	var all []string
	if w.Chord > 0 || len(w.Tasks) == 0 || slices.ContainsFunc(w.Tasks, func(t TaskMix) bool { return t.Queue == "" || t.Queue == otherwise }) {
		all = append(all, otherwise)
	}
	for _, t := range w.Tasks {
		if t.Queue != "" && !slices.Contains(all, t.Queue) {
			all = append(all, t.Queue)
		}
	}
	return all
}

// A TaskMix is one kind of task in a mix.
type TaskMix struct {
	Task     string // a name that package tasks knows, without its prefix
	Weight   int
	Duration Dist   // io, stubborn, blocker: how long it waits; cpu: CPU time it asks for
	Work     int64  // cpu: iterations, instead of Duration
	Keep     int64  // leak: bytes kept
	Fails    int    // fail: how often it fails before it succeeds
	Payload  int    // bytes of padding in the arguments
	Via      string // io: "sleep" (default) or "http"
	Every    int    // crash: one in so many of these tasks crashes, chosen by the seed; 0 and 1 are all
	Until    int    // crash: only the first so many deliveries of a task crash; 0 is every one, for ever
	Flaw     string // poison: what no worker can do with it: know its "name" or decode its "body"
	Result   int64  // bulky: bytes that it returns
	Queue    string // where it is sent to; "" is the queue that all others go to

	// What any task may be asked for, counted from when it is due; 0 is nothing.
	ETA     time.Duration // it is not to be started earlier
	Expires time.Duration // nor later: a worker that gets it then acknowledges it unrun
	Soft    time.Duration // soft time limit of an attempt, from its start: it is asked to end
	Limit   time.Duration // the hard one: it is cut off
	Keys    int           // tasks of one key are in order; a task's key is its number modulo this
}

// A Load says when tasks are due: open loop.
type Load struct {
	Shape      string  // constant, poisson, ramp, burst
	Rate       float64 // tasks a second; for ramp the last rate
	From       float64 // ramp: first rate
	Burst      int     // burst: tasks due at once, each Every
	Every      time.Duration
	For        time.Duration // measured
	Warmup     time.Duration // before it, not measured
	Publishers int
}

// A System is how the tasks are run.
type System struct {
	Name        string // native
	Pool        string // prefork, goroutine, solo
	Workers     int
	Concurrency int
	Acks        string // early or late
	Prefetch    int    // 0 is 4 times the concurrency
	MaxTasks    int    // prefork: tasks before a child is replaced; 0 never
	MaxMemory   int64  // prefork: bytes of RSS at which a child is replaced; 0 never
	Grace       time.Duration
	Results     string // "broker": they are kept in the broker's server; "" nowhere, as the ledger needs none
	Beat        Beat
}

// A Beat is a schedule beside the load, whose ticks the harness itself receives.
type Beat struct {
	Every   time.Duration // between two ticks of an entry; 0: there is no schedule
	Entries int
	Beats   int           // how many processes send it; two agree by a lock in the broker's server
	CatchUp string        // what becomes of ticks that were missed: all, once or skip
	Late    time.Duration // a tick that is sent so long after its time is late
}

// An Expect is an expression that must hold, under a condition if there is one.
type Expect struct {
	When string
	Expr string
	Line int
}

// A Run says on what the scenario was run, or is run when nobody says otherwise. A result directory's scenario
// has it whole, so that the run can be repeated.
type Run struct {
	Seed    uint64
	Brokers []string // "redis:aof-always"
	Pools   []string
	Lab     string
	Repeat  int
	Faults  []Injection // what really happened; a replay injects by schedule and seed again
}

// An Injection is one fault as it was injected. Times are since the measured load began; Healed is 0 when it
// never was.
type Injection struct {
	Cell   string // the cell's name
	Number int    // of the line of the schedule that it came from
	Fault  string
	Node   string // the victim
	At     time.Duration
	Healed time.Duration
}

// A Profile chooses between a scenario as written and its short form, which `go test` uses.
type Profile int

// The profiles. Short applies what the file's short block says: durations, rates, schedule.
const (
	Full Profile = iota
	Short
)
