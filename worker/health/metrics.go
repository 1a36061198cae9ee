package health

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds on how many series strangers can make: task names and exception classes come with messages.
const (
	maxTasks   = 1000
	maxClasses = 100
	others     = "other" // what is beyond them is counted as
)

// buckets are celery-exporter's, in seconds, and some below for tasks of a compiled language.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 1800}

// Metrics count what becomes of a worker's tasks. All methods are safe for concurrent use, and do nothing on a nil
// *Metrics, for workers that nobody watches.
type Metrics struct {
	counters map[step]*prometheus.CounterVec
	failed   *prometheus.CounterVec
	runtime  *prometheus.HistogramVec

	mu      sync.RWMutex
	tasks   map[key]*task
	names   map[string]bool
	classes map[string]bool
}

type step uint8

const (
	sent step = iota
	received
	started
	succeeded
	rejected
	revoked
	retried
	steps
)

type key struct{ name, queue string }

// A task has the series of one task in one queue at hand.
type task struct {
	name, queue string
	counters    [steps]prometheus.Counter
	runtime     prometheus.Observer
}

// NewMetrics returns the metrics of one node.
func NewMetrics(node string) *Metrics {
	labels := []string{"name", "queue_name"}
	constant := prometheus.Labels{"hostname": node}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "celery_task_" + name + "_total", Help: help, ConstLabels: constant}, labels)
	}
	return &Metrics{
		counters: map[step]*prometheus.CounterVec{
			sent:      counter("sent", "Tasks that this node published.", labels...),
			received:  counter("received", "Tasks that the worker received.", labels...),
			started:   counter("started", "Attempts that were started.", labels...),
			succeeded: counter("succeeded", "Tasks that succeeded.", labels...),
			rejected:  counter("rejected", "Tasks that were rejected, to be queued again or kept aside.", labels...),
			revoked:   counter("revoked", "Tasks that were revoked, or expired.", labels...),
			retried:   counter("retried", "Attempts that failed and will be tried again.", labels...),
		},
		failed: counter("failed", "Tasks that failed, by the class of their exception.", append(labels, "exception")...),
		runtime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "celery_task_runtime", Help: "How long tasks that succeeded ran, in seconds.", ConstLabels: constant, Buckets: buckets,
		}, labels),
		tasks:   map[key]*task{},
		names:   map[string]bool{},
		classes: map[string]bool{},
	}
}

// Sent counts a task that this node published.
func (m *Metrics) Sent(name, queue string) { m.count(sent, name, queue) }

// Received counts a task that came from a queue. One that the worker does not know is not received, and counts as failed
// alone: Celery's events say the same of it.
func (m *Metrics) Received(name, queue string) { m.count(received, name, queue) }

// Started counts an attempt.
func (m *Metrics) Started(name, queue string) { m.count(started, name, queue) }

// Retried counts an attempt that will be followed by another.
func (m *Metrics) Retried(name, queue string) { m.count(retried, name, queue) }

// Revoked counts a task that was revoked, or expired.
func (m *Metrics) Revoked(name, queue string) { m.count(revoked, name, queue) }

// Rejected counts a task whose message was given back or kept aside.
func (m *Metrics) Rejected(name, queue string) { m.count(rejected, name, queue) }

// Succeeded counts a task that succeeded, and how long it ran.
func (m *Metrics) Succeeded(name, queue string, runtime time.Duration) {
	if m == nil {
		return
	}
	t := m.task(name, queue)
	t.counters[succeeded].Inc()
	t.runtime.Observe(runtime.Seconds())
}

// Failed counts a task that failed; class is that of its exception, such as "ValueError".
func (m *Metrics) Failed(name, queue, class string) {
	if m == nil {
		return
	}
	t := m.task(name, queue)
	m.failed.WithLabelValues(t.name, t.queue, m.bounded(m.classes, class, maxClasses)).Inc()
}

func (m *Metrics) count(s step, name, queue string) {
	if m != nil {
		m.task(name, queue).counters[s].Inc()
	}
}

// task finds a task's series, and makes them when there are none: all at once, so that a rate over one that never
// counted is 0 and not absent.
func (m *Metrics) task(name, queue string) *task {
	m.mu.RLock()
	t := m.tasks[key{name, queue}]
	m.mu.RUnlock()
	if t != nil {
		return t
	}
	label := m.bounded(m.names, name, maxTasks)
	t = &task{name: label, queue: queue, runtime: m.runtime.WithLabelValues(label, queue)}
	for s, vec := range m.counters {
		t.counters[s] = vec.WithLabelValues(label, queue)
	}
	if label == name { // names beyond the bound are not kept
		m.mu.Lock()
		m.tasks[key{name, queue}] = t
		m.mu.Unlock()
	}
	return t
}

// bounded returns the label, or the one of all others when there are too many.
func (m *Metrics) bounded(known map[string]bool, label string, most int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !known[label] && len(known) >= most {
		return others
	}
	known[label] = true
	return label
}

func (m *Metrics) register(r prometheus.Registerer) {
	for _, vec := range m.counters {
		r.MustRegister(vec)
	}
	r.MustRegister(m.failed, m.runtime)
}
