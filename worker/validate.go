package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/worker/pool"
	"taskbench/worker/rate"
	"taskbench/worker/route"
)

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
	if a := c.Autoscale; a != (Autoscale{}) && (a.Min < 0 || a.Max < 1 || a.Max < a.Min || a.Max > pool.Most(c.Pool) || c.Pool == "solo") {
		wrong("worker_autoscale", "from %d to %d: want two numbers from 0 to %d, the maximum not below the minimum, and no solo pool", a.Min, a.Max, pool.Most(c.Pool))
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
		if err := validKind(b.Exchange.Kind); err != nil {
			wrong("bindings", "queue %q of exchange %q: %v", b.Queue, b.Exchange.Name, err)
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

// validKind refuses a kind that no exchange has.
func validKind(k brokers.ExchangeKind) error {
	if k != brokers.Direct && k != brokers.Topic && k != brokers.Fanout {
		return fmt.Errorf("the kind %q of an exchange is none of %s, %s and %s", k, brokers.Direct, brokers.Topic, brokers.Fanout)
	}
	return nil
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
