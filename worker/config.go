package worker

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/worker/health"
	"taskbench/worker/result"
	"taskbench/worker/route"
)

// AckPolicy is when a message is acknowledged.
type AckPolicy string

// Early acknowledges when an attempt starts (a killed worker loses it); Late when it has finished
// (a killed worker's task is run again).
const (
	Early AckPolicy = "early"
	Late  AckPolicy = "late"
)

// Config is everything about a worker. It travels as JSON from whoever starts worker processes, under the names of
// Celery's settings where there are such. Zero values have a meaning each, but for URL with brokers that need one.
type Config struct {
	Name    string `json:"name"`   // node name; %h is the host, %n what stands before the @; "" is worker-<pid>
	Broker  string `json:"broker"` // driver name; "" is the given driver's
	Variant string `json:"variant"`
	URL     string `json:"url"`

	Queues   []string          `json:"queues"`                   // none is brokers.DefaultQueue
	Exclude  []string          `json:"exclude_queues,omitempty"` // of Queues and Bindings, those not to be taken
	Bindings []brokers.Binding `json:"bindings,omitempty"`       // declared at the start; a queue of Queues may have some
	Values   map[string]string `json:"values,omitempty"`         // for names in double braces in Queues, "appserver_{{id}}"
	Routes   []route.Rule      `json:"task_routes,omitempty"`    // where tasks go that tasks send

	Pool          string        `json:"pool"`                       // solo, goroutine, threads, green, prefork; "" is goroutine
	Concurrency   int           `json:"concurrency"`                // tasks at a time; 0 is one for each processor
	Autoscale     Autoscale     `json:"worker_autoscale,omitzero"`  // bounds between which the concurrency follows the work
	Prefetch      int           `json:"prefetch"`                   // unsettled messages held; 0 is Multiplier times the concurrency
	Multiplier    int           `json:"worker_prefetch_multiplier"` // 0 is 4
	ETALimit      int           `json:"worker_eta_task_limit"`      // waiting tasks held beside the prefetch; 0 is 20,000
	MaxTasks      int           `json:"max_tasks_per_child"`        // prefork, green: a child is replaced after so many tasks; 0 never
	MaxMemory     int64         `json:"max_memory_per_child"`       // prefork, green: bytes of RSS after a task; 0 never
	MaxAttempts   int           `json:"max_attempts"`               // deaths and timeouts of one message before it is dead-lettered; 0 is 5
	MaxDeliveries int           `json:"max_deliveries"`             // of one message, where the broker counts them, before it is dead-lettered; 0 is 1000, below 0 no bound
	Capture       bool          `json:"worker_redirect_stdouts"`    // what pool children print is logged
	Grace         time.Duration `json:"grace"`                      // how long a warm stop waits for running tasks; 0 waits for ever
	SoftStop      time.Duration `json:"worker_soft_shutdown_timeout"`

	Acks                   AckPolicy     `json:"acks"` // "" is late
	SoftLimit              time.Duration `json:"task_soft_time_limit"`
	HardLimit              time.Duration `json:"task_time_limit"`
	RateLimit              string        `json:"task_default_rate_limit"` // of each task, such as "10/m"; "" is none
	DisableRateLimits      bool          `json:"worker_disable_rate_limits"`
	IgnoreResult           bool          `json:"task_ignore_result"`
	TrackStarted           bool          `json:"task_track_started"`
	RejectOnWorkerLost     *bool         `json:"task_reject_on_worker_lost,omitempty"`          // nil is true
	AcksOnFailureOrTimeout *bool         `json:"task_acks_on_failure_or_timeout,omitempty"`     // nil is true
	Deduplicate            *bool         `json:"worker_deduplicate_successful_tasks,omitempty"` // nil is true
	ResultExtended         bool          `json:"result_extended"`

	StateDB       string `json:"worker_state_db"`                        // file of revoked tasks; "" forgets them
	SendEvents    bool   `json:"worker_send_task_events"`                // events of tasks from the start
	Silent        bool   `json:"without_heartbeat"`                      // no worker events, and no task events either
	RemoteControl *bool  `json:"worker_enable_remote_control,omitempty"` // nil is true, where the broker has exchanges
	WithoutMingle bool   `json:"without_mingle"`                         // other workers are not asked for what they have revoked
	PoolRestarts  bool   `json:"worker_pool_restarts"`                   // remote control may restart the pool's children
}

// Autoscale bounds the concurrency of a pool that grows and shrinks with the work. The zero value leaves it as it is.
type Autoscale struct {
	Max int `json:"max"`
	Min int `json:"min"`
}

// Options are what a worker is given in code rather than by configuration.
type Options struct {
	Registry *Registry
	Driver   brokers.Driver
	Observer Observer        // nil: nobody watches
	Log      *slog.Logger    // nil: slog.Default
	Ready    func()          // called once, when the worker consumes for the first time; nil: nobody waits
	Accept   []string        // content types that are not refused; none is application/json
	Metrics  *health.Metrics // count what becomes of tasks, and have Health see into the pool; nil: neither

	// Results is where results are kept; nil keeps none. It stays its owner's to close, after Run.
	Results result.Backend

	Clock Clock // nil: the host's
}

// mostDeliveries is so many that only a message comes to it that ends one worker after the other. The broker counts as well
// what a worker merely had in hand when it died, lost its connection or stopped.
const mostDeliveries = 1000

// Pools are the concurrency models by name.
func Pools() []string { return []string{"goroutine", "green", "prefork", "solo", "threads"} }

// Complete returns the configuration with every zero value replaced by what it stands for.
func (c Config) Complete() Config {
	if c.Name == "" {
		c.Name = fmt.Sprintf("worker-%d", os.Getpid())
	}
	c.Name = nodeName(c.Name)
	c.Queues = c.queues()
	if c.Pool == "" {
		c.Pool = "goroutine"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
		switch {
		case c.Autoscale != (Autoscale{}):
			c.Concurrency = max(c.Autoscale.Min, 1)
		case c.Pool != "solo":
			c.Concurrency = runtime.NumCPU()
		}
	}
	if c.Multiplier == 0 {
		c.Multiplier = 4
	}
	if c.Prefetch == 0 {
		c.Prefetch = c.Multiplier * max(c.Concurrency, c.Autoscale.Max)
	}
	if c.ETALimit == 0 {
		c.ETALimit = 20_000
	}
	if c.Acks == "" {
		c.Acks = Late
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 5
	}
	if c.MaxDeliveries == 0 {
		c.MaxDeliveries = mostDeliveries
	}
	return c
}

// queues are those to be consumed from: those that are named and bound, but for the excluded ones.
func (c Config) queues() []string {
	var all []string
	for _, q := range c.Queues {
		if expanded, err := route.Expand(q, c.value); err == nil { // else validation says what is wrong
			q = expanded
		}
		all = append(all, q)
	}
	for _, b := range c.Bindings {
		if !slices.Contains(all, b.Queue) {
			all = append(all, b.Queue)
		}
	}
	if len(all) == 0 {
		all = []string{brokers.DefaultQueue}
	}
	return slices.DeleteFunc(all, func(q string) bool { return slices.Contains(c.Exclude, q) })
}

// value is what a name in double braces stands for in the name of a queue.
func (c Config) value(name string) (string, bool) {
	if v, ok := c.Values[name]; ok {
		return v, true
	}
	node, host, _ := strings.Cut(nodeName(c.Name), "@")
	switch name {
	case "hostname":
		return host, host != ""
	case "nodename":
		return node, node != ""
	}
	return "", false
}

// nodeName fills in what Celery's format of node names leaves to the host.
func nodeName(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	host, _ := os.Hostname()
	short, domain, _ := strings.Cut(host, ".")
	before, _, _ := strings.Cut(name, "@")
	return strings.NewReplacer("%h", host, "%n", before, "%d", domain, "%%", "%", "%s", short).Replace(name)
}
