package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/worker/rate"
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

	Pool        string        `json:"pool"`                       // solo, goroutine, threads, green, prefork; "" is goroutine
	Concurrency int           `json:"concurrency"`                // tasks at a time; 0 is one for each processor
	Autoscale   Autoscale     `json:"worker_autoscale,omitzero"`  // bounds between which the concurrency follows the work
	Prefetch    int           `json:"prefetch"`                   // unsettled messages held; 0 is Multiplier times the concurrency
	Multiplier  int           `json:"worker_prefetch_multiplier"` // 0 is 4
	ETALimit    int           `json:"worker_eta_task_limit"`      // waiting tasks held beside the prefetch; 0 is 20,000
	MaxTasks    int           `json:"max_tasks_per_child"`        // prefork, green: a child is replaced after so many tasks; 0 never
	MaxMemory   int64         `json:"max_memory_per_child"`       // prefork, green: bytes of RSS after a task; 0 never
	MaxAttempts int           `json:"max_attempts"`               // deaths and timeouts of one message before it is dead-lettered; 0 is 5
	Capture     bool          `json:"worker_redirect_stdouts"`    // what pool children print is logged
	Grace       time.Duration `json:"grace"`                      // how long a warm stop waits for running tasks; 0 waits for ever
	SoftStop    time.Duration `json:"worker_soft_shutdown_timeout"`

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
	Observer Observer     // nil: nobody watches
	Log      *slog.Logger // nil: slog.Default
	Ready    func()       // called once, when the worker consumes for the first time; nil: nobody waits
	Accept   []string     // content types that are not refused; none is application/json

	// Results is where results are kept; nil keeps none. It stays its owner's to close, after Run.
	Results result.Backend
}

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
	return c
}

// Validate reports all that is wrong with a completed configuration at once: each message names the field, as
// JSON spells it, and what it may hold.
func (c Config) Validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("worker config: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	if !slices.Contains(Pools(), c.Pool) {
		wrong("pool", "%q is not one of %s", c.Pool, strings.Join(Pools(), ", "))
	}
	if c.Acks != Early && c.Acks != Late {
		wrong("acks", "%q is not one of %s, %s", c.Acks, Early, Late)
	}
	if c.Concurrency < 1 || c.Concurrency > 10_000 {
		wrong("concurrency", "%d is not from 1 to 10000", c.Concurrency)
	}
	if c.Pool == "solo" && c.Concurrency > 1 {
		wrong("concurrency", "%d: the solo pool runs 1 task at a time; take the goroutine pool for more", c.Concurrency)
	}
	if c.Prefetch < 1 || c.Prefetch > 65_535 {
		wrong("prefetch", "%d is not from 1 to 65535; 0 is 4 times the concurrency", c.Prefetch)
	}
	if c.MaxTasks < 0 {
		wrong("max_tasks_per_child", "%d is negative; 0 is no bound", c.MaxTasks)
	}
	if c.MaxMemory < 0 {
		wrong("max_memory_per_child", "%d bytes is negative; 0 is no bound", c.MaxMemory)
	}
	if c.MaxAttempts < 1 {
		wrong("max_attempts", "%d is not 1 or more; 0 is 5", c.MaxAttempts)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"grace", c.Grace}, {"worker_soft_shutdown_timeout", c.SoftStop}, {"task_soft_time_limit", c.SoftLimit}, {"task_time_limit", c.HardLimit}} {
		if d.value < 0 {
			wrong(d.field, "%v is negative", d.value)
		}
	}
	if c.Multiplier < 0 {
		wrong("worker_prefetch_multiplier", "%d is negative; 0 is 4", c.Multiplier)
	}
	if c.ETALimit < 0 {
		wrong("worker_eta_task_limit", "%d is negative; 0 is 20000", c.ETALimit)
	}
	if a := c.Autoscale; a != (Autoscale{}) && (a.Min < 0 || a.Max < 1 || a.Max < a.Min || c.Pool == "solo") {
		wrong("worker_autoscale", "from %d to %d: want two numbers from 0 on, the maximum not below the minimum, and no solo pool", a.Min, a.Max)
	}
	if _, err := rate.Parse(c.RateLimit); err != nil {
		wrong("task_default_rate_limit", "%v", err)
	}
	if _, err := route.New(c.Routes, c.Values); err != nil {
		wrong("task_routes", "%v", err)
	}
	for _, b := range c.Bindings {
		if b.Queue == "" || b.Exchange.Name == "" {
			wrong("bindings", "queue %q of exchange %q: want a name for each", b.Queue, b.Exchange.Name)
		}
	}
	if len(c.Queues) == 0 {
		wrong("queues", "all of them are excluded")
	}
	for i, q := range c.Queues {
		if _, err := route.Expand(q, c.value); err != nil {
			wrong("queues", "%v", err)
		}
		if q == "" || len(q) > 200 || slices.Contains(c.Queues[:i], q) {
			wrong("queues", "%q is not a name of 1 to 200 bytes that occurs once", q)
		}
	}
	return errors.Join(errs...)
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

// validate adds what the options have to do with it.
func (o Options) validate(c Config) error {
	var errs []error
	if o.Registry == nil || len(o.Registry.funcs) == 0 {
		errs = append(errs, errors.New("worker options: registry: it has no tasks; add some before the worker is made"))
	}
	switch {
	case o.Driver.Open == nil || len(o.Driver.Variants) == 0:
		errs = append(errs, errors.New("worker options: driver: there is none"))
	case c.Broker != "" && c.Broker != o.Driver.Name:
		errs = append(errs, fmt.Errorf("worker config: broker: %q, and the driver given is %s", c.Broker, o.Driver.Name))
	default:
		if _, err := o.Driver.Variant(c.Variant); err != nil {
			errs = append(errs, fmt.Errorf("worker config: variant: %w", err))
		}
	}
	return errors.Join(errs...)
}
