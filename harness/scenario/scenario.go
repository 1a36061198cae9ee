// Package scenario is one question asked of a system: a workload, a load, a schedule of faults, and what is
// expected. It reads them from YAML, strictly, and reports every mistake at once.
package scenario

import "time"

// A Scenario is one YAML file, resolved: every default is filled in.
type Scenario struct {
	Name     string
	Asks     string
	Workload Workload
	Load     Load
	System   System
	Faults   []Fault
	Expect   []Expect
	Drain    time.Duration // how long the drain may take
	// Short is what changes in the short profile that go test uses: durations and rates.
}

// A Workload is a weighted mix of tasks.
type Workload struct {
	Name  string
	Tasks []TaskMix
}

// A TaskMix is one kind of task in a mix.
type TaskMix struct {
	Task     string // a name that package tasks knows
	Weight   int
	Duration Dist   // io: how long it waits; cpu: CPU time it asks for
	Work     int64  // cpu: iterations, instead of Duration
	Keep     int64  // leak: bytes kept
	Retries  int    // fail: how often it fails before it succeeds
	Payload  int    // bytes of padding in the arguments
	Via      string // io: "sleep" (default) or "http"
	Every    int    // crash: only each n-th of these tasks crashes; 0 and 1 are all
}

// A Dist is a distribution of durations.
type Dist struct {
	Kind     string // constant, uniform, exponential, lognormal
	P50, P99 time.Duration
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
	Acks        string
	Prefetch    int
	MaxTasks    int
	MaxMemory   int64
	Grace       time.Duration
}

// A Fault is one line of the schedule.
type Fault struct {
	At     time.Duration // since the measured load began
	Fault  string
	Node   string // broker, worker, or empty for the fault's own
	For    time.Duration
	Params map[string]any
	Line   int
}

// An Expect is an expression that must hold, under a condition if there is one.
type Expect struct {
	When string
	Expr string
	Line int
}
