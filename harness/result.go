package harness

import "taskbench/harness/lab/proxy/step"

// Schema is the version of result.json. It grows by fields; a changed meaning changes the number.
const Schema = 1

// A Result is what a run leaves: result.json is this struct. Durations are in seconds, rates in tasks a second,
// memory in bytes. Times inside a cell are seconds since the cell's load began (warmup included).
type Result struct {
	Schema     int        `json:"schema"`
	Name       string     `json:"name"`
	Asks       string     `json:"asks,omitempty"`
	Seed       uint64     `json:"seed"`
	Outcome    Outcome    `json:"outcome"`
	Provenance Provenance `json:"provenance"`
	Warnings   []string   `json:"warnings,omitempty"` // about the run as a whole; "interrupted" among them
	Cells      []Cell     `json:"cells"`
	// InProgress is a result that was written while the run went on, as long runs do after each piece of their history.
	InProgress bool `json:"in_progress,omitempty"`
}

// Outcome of a cell or a run.
type Outcome string

// The outcomes. Void: the load generator did not offer what was asked, so no number counts. Unfit: a fault of
// the scenario cannot be applied to this broker or lab; the cell was not run and the reason is in its warnings.
const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	Undecided Outcome = "undecided"
	Void      Outcome = "void"
	Unfit     Outcome = "unfit"
)

// Provenance says what produced the numbers.
type Provenance struct {
	Version  string  `json:"version"` // of taskbench, with its git revision where known
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Kernel   string  `json:"kernel"`
	Host     string  `json:"host"`
	CPU      string  `json:"cpu"`
	CPUs     int     `json:"cpus"`
	Memory   int64   `json:"memory"`
	Started  string  `json:"started"`               // RFC 3339
	Command  string  `json:"command"`               // the command line that repeats the run
	WorkUnit float64 `json:"iterations_per_cpu_ms"` // calibration of the cpu task
}

// A Cell is one run of one scenario on one broker, system and pool.
type Cell struct {
	Broker      string            `json:"broker"`
	Variant     string            `json:"variant"`
	Durability  string            `json:"durability"`
	Server      string            `json:"server"` // product and version that really ran
	Image       string            `json:"image,omitempty"`
	Lab         string            `json:"lab"`
	System      string            `json:"system"`
	Pool        string            `json:"pool"`
	Acks        string            `json:"acks"`
	Workers     int               `json:"workers"`
	Concurrency int               `json:"concurrency"`
	Prefetch    int               `json:"prefetch"`
	Load        LoadAsked         `json:"load"`
	Workload    string            `json:"workload"`
	Under       string            `json:"under"` // which of the result's scenarios broke something in it; "" is none
	Repeat      int               `json:"repeat"`
	Outcome     Outcome           `json:"outcome"`
	Warnings    []string          `json:"warnings"`
	Settings    map[string]string `json:"settings,omitempty"`

	Counts       Counts             `json:"counts"`                  // of the tasks that were due after the warm-up
	WarmUp       *Counts            `json:"warmup_counts,omitempty"` // of those that were due in it
	Promised     string             `json:"promised"`                // at-most-once or at-least-once: by the variant, with these acks
	Guarantee    string             `json:"guarantee"`               // seen: at-most-once, at-least-once, exactly-once, none
	Throughput   Throughput         `json:"throughput"`
	Latency      map[string]Latency `json:"latency"` // by stage (metrics.Stages), of the tasks due after the warm-up, faults and all
	Phases       []PhaseResult      `json:"phases"`
	Faults       []FaultResult      `json:"faults"`
	Recovery     Recovery           `json:"recovery"`
	Resources    []Resource         `json:"resources"`
	Expectations []Expectation      `json:"expectations"`
	Checks       []Checked          `json:"checks,omitempty"` // all of them, by name, of the tasks due after the warm-up
	Findings     []Finding          `json:"findings,omitempty"`
	Series       Series             `json:"series"`
	History      string             `json:"history,omitempty"` // file name in the result directory
	Logs         []string           `json:"logs,omitempty"`
}

// LoadAsked is the load that the scenario asked for: tasks a second, and seconds.
type LoadAsked struct {
	Shape  string  `json:"shape"`
	Rate   float64 `json:"rate"`
	For    float64 `json:"for"`
	Warmup float64 `json:"warmup"`
	// Extended is for how long the load went on after that, so that the recovery from the last fault was seen.
	Extended float64 `json:"extended"`
}

// Counts is the accounting of task ids of one span. Classes are defined in package checks.
type Counts struct {
	Attempted    int `json:"attempted"`
	Acknowledged int `json:"acknowledged"`
	Refused      int `json:"refused"`
	Unknown      int `json:"unknown"`
	Executed     int `json:"executed"`
	Lost         int `json:"lost"`
	Destroyed    int `json:"destroyed"` // of the lost: by a fault that destroys what the broker holds, by design
	Duplicated   int `json:"duplicated"`
	Recovered    int `json:"recovered"`
	Unexpected   int `json:"unexpected"`
	Orphaned     int `json:"orphaned"`
	Stuck        int `json:"stuck"`
	Retried      int `json:"retried"`
	Concurrent   int `json:"concurrent"`
	Failed       int `json:"failed"`      // ended in an error
	Malformed    int `json:"malformed"`   // messages kept aside
	Foreign      int `json:"foreign"`     // messages of others that workers received, those kept aside among them
	Stalls       int `json:"stalls"`      // spans in which there was work and workers, and nothing finished
	Redelivered  int `json:"redelivered"` // handed out again after an acknowledged completion
}

// Throughput in tasks a second. Drain is the rate at which a backlog was worked off, 0 when there was none.
type Throughput struct {
	Offered   float64 `json:"offered"`
	Completed float64 `json:"completed"`
	Drain     float64 `json:"drain"`
}

// Latency in seconds.
type Latency struct {
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
	Count int64   `json:"count"`
}

// PhaseResult is what was measured in one phase; From and To are seconds.
type PhaseResult struct {
	Phase      string             `json:"phase"`
	From       float64            `json:"from"`
	To         float64            `json:"to"`
	Throughput Throughput         `json:"throughput"`
	Latency    map[string]Latency `json:"latency"`
}

// FaultResult is one fault as it really happened, in seconds; Healed is 0 when it never was. It was planned as the line
// of that number in scenario.yaml: what begins late waited for an earlier healing.
type FaultResult struct {
	Number     int     `json:"number"` // 0 in results from before lines had one
	PlannedAt  float64 `json:"planned_at"`
	PlannedFor float64 `json:"planned_for"`
	Fault      string  `json:"fault"`
	Node       string  `json:"node"`
	At         float64 `json:"at"`
	InEffect   float64 `json:"in_effect"`
	Healed     float64 `json:"healed"`
	Proof      string  `json:"proof"`
	HealProof  string  `json:"heal_proof"`

	// Waiting is, of a fault that ends the broker, how many acknowledged tasks no worker had received when it began: with
	// 0 there was nothing to lose. It is nil for other faults.
	Waiting *int `json:"waiting,omitempty"`

	// Steps is, of a fault at a step of the protocol, how many messages the proxy had seen come to each step when a
	// connection came to its own, counted from the moment at which the schedule has it.
	Steps map[step.Step]int64 `json:"steps,omitempty"`
}

// Recovery, in seconds after the (last) fault began to be healed; nil where it was not seen.
type Recovery struct {
	BrokerReachable *float64 `json:"broker_reachable"`
	FirstPublish    *float64 `json:"first_publish"`
	FirstCompletion *float64 `json:"first_completion"`
	To90Percent     *float64 `json:"to_90_percent"`
	BacklogDrained  *float64 `json:"backlog_drained"`
}

// Resource is what one node used.
type Resource struct {
	Node         string  `json:"node"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	RSSPeak      int64   `json:"rss_peak"`
	RSSSlope     float64 `json:"rss_slope_per_s"`
	RSSSlopeLow  float64 `json:"rss_slope_low"` // 95 % interval
	RSSSlopeHigh float64 `json:"rss_slope_high"`
	FDsPeak      int     `json:"fds_peak"`
}

// Expectation is one line of the scenario's expect list and how it went.
type Expectation struct {
	Expect string `json:"expect"`
	Held   bool   `json:"held"`
	Value  any    `json:"value"`         // of the left side, where there is one
	Why    string `json:"why,omitempty"` // when it did not hold or could not be evaluated
	// Undecided is an expectation about something that was not seen; it has not held.
	Undecided bool `json:"undecided,omitempty"`
}

// Checked is what one check said. Count is in the check's own unit (tasks, attempts, ticks, silences); of an undecided
// one it is what was found so far.
type Checked struct {
	Check    string `json:"check"`
	Outcome  string `json:"outcome"` // pass, found or undecided
	Examined int    `json:"examined"`
	Count    int    `json:"count"`
	Why      string `json:"why,omitempty"` // of an undecided one
}

// Finding is one task that a check has something to say about.
type Finding struct {
	Check string `json:"check"`
	ID    string `json:"id"`
	Text  string `json:"text"`
}

// Series are the lines of the charts. Step is the width of a bin in seconds; rates are tasks a second in each bin.
type Series struct {
	Step      float64      `json:"step"`
	Offered   []float64    `json:"offered"`
	Completed []float64    `json:"completed"`
	Nodes     []NodeSeries `json:"nodes"`
}

// NodeSeries are the samples of one node: seconds, bytes, and cores in use since the sample before.
type NodeSeries struct {
	Node string    `json:"node"`
	At   []float64 `json:"at"`
	RSS  []int64   `json:"rss"`
	CPU  []float64 `json:"cpu"`
}
