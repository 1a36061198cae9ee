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
)

// AckPolicy is when a message is acknowledged.
type AckPolicy string

// Early acknowledges when an attempt starts (a killed worker loses it); Late when it has finished
// (a killed worker's task is run again).
const (
	Early AckPolicy = "early"
	Late  AckPolicy = "late"
)

// Config is everything about a worker. It travels as JSON from whoever starts worker processes. Zero values have
// a meaning each, but for URL with brokers that need one.
type Config struct {
	Name        string        `json:"name"`   // node name; "" is worker-<pid>
	Broker      string        `json:"broker"` // driver name; "" is the given driver's
	Variant     string        `json:"variant"`
	URL         string        `json:"url"`
	Queues      []string      `json:"queues"`               // none is brokers.DefaultQueue
	Pool        string        `json:"pool"`                 // solo, goroutine, prefork; "" is goroutine
	Concurrency int           `json:"concurrency"`          // tasks at a time; 0 is one for each processor
	Prefetch    int           `json:"prefetch"`             // unsettled messages held; 0 is 4 times the concurrency
	Acks        AckPolicy     `json:"acks"`                 // "" is late
	MaxTasks    int           `json:"max_tasks_per_child"`  // prefork: a child is replaced after so many tasks; 0 never
	MaxMemory   int64         `json:"max_memory_per_child"` // prefork: bytes of RSS after a task; 0 never
	MaxAttempts int           `json:"max_attempts"`         // starts of one message that killed their child, before it is dead-lettered; 0 is 5
	Grace       time.Duration `json:"grace"`                // how long a warm stop waits for running tasks; 0 waits for ever
}

// Options are what a worker is given in code rather than by configuration.
type Options struct {
	Registry *Registry
	Driver   brokers.Driver
	Observer Observer     // nil: nobody watches
	Log      *slog.Logger // nil: slog.Default
	Ready    func()       // called once, when the worker consumes for the first time; nil: nobody waits
	Accept   []string     // content types that are not refused; none is application/json
}

// Pools are the concurrency models by name.
func Pools() []string { return []string{"goroutine", "prefork", "solo"} }

// Complete returns the configuration with every zero value replaced by what it stands for.
func (c Config) Complete() Config {
	if c.Name == "" {
		c.Name = fmt.Sprintf("worker-%d", os.Getpid())
	}
	if len(c.Queues) == 0 {
		c.Queues = []string{brokers.DefaultQueue}
	}
	if c.Pool == "" {
		c.Pool = "goroutine"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
		if c.Pool != "solo" {
			c.Concurrency = runtime.NumCPU()
		}
	}
	if c.Prefetch == 0 {
		c.Prefetch = 4 * c.Concurrency
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
	if c.Grace < 0 {
		wrong("grace", "%v is negative; 0 waits for ever", c.Grace)
	}
	for i, q := range c.Queues {
		if q == "" || len(q) > 200 || slices.Contains(c.Queues[:i], q) {
			wrong("queues", "%q is not a name of 1 to 200 bytes that occurs once", q)
		}
	}
	return errors.Join(errs...)
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
