package health

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// depthTime is how long a scrape waits for the broker to count one queue.
const depthTime = 2 * time.Second

// A collector asks the source when it is scraped.
type collector struct {
	source                           Source
	up, hung, active, slots, waiting *prometheus.Desc
	dropped, aside                   *prometheus.Desc
	length, workers, processes       *prometheus.Desc
}

func newCollector(s Source) *collector {
	node := prometheus.Labels{"hostname": s.Node}
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, node)
	}
	queue := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"queue_name"}, nil)
	}
	return &collector{
		source:    s,
		up:        gauge("celery_worker_up", "Whether the worker is connected and consumes."),
		hung:      gauge("taskbench_worker_hung", "Whether the worker makes no progress though it could."),
		active:    gauge("celery_worker_tasks_active", "Tasks that are running."),
		slots:     gauge("taskbench_worker_slots", "Tasks that can run at a time."),
		waiting:   gauge("taskbench_worker_tasks_waiting", "Tasks in hand that could run and do not yet."),
		dropped:   gauge("taskbench_events_dropped_total", "Monitoring events that were dropped for want of room."),
		aside:     gauge("taskbench_messages_aside_total", "Messages that the worker kept aside: it could not read them, or nobody can run them."),
		length:    queue("celery_queue_length", "Messages in the queue that no worker holds."),
		workers:   queue("celery_active_worker_count", "Workers that consume the queue: of all workers' figures, take the sum."),
		processes: queue("celery_active_process_count", "Tasks at a time over the workers of the queue: take the sum."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.hung, c.active, c.slots, c.waiting, c.dropped, c.aside, c.length, c.workers, c.processes} {
		to <- d
	}
}

// Collect implements prometheus.Collector. What cannot be told is left out: no figure is better than a wrong one.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.source.Status()
	consumes := truth(s.Connected && s.Consuming)
	gauge(c.up, consumes)
	gauge(c.hung, truth(s.Hung(time.Now(), c.source.Patience) != nil))
	gauge(c.active, float64(s.Busy))
	gauge(c.slots, float64(s.Slots))
	gauge(c.waiting, float64(s.Waiting))
	counter := func(d *prometheus.Desc, count func() uint64) {
		if count != nil {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(count()))
		}
	}
	counter(c.dropped, c.source.Dropped)
	counter(c.aside, c.source.Aside)
	for _, q := range c.source.Queues {
		gauge(c.workers, consumes, q)
		gauge(c.processes, consumes*float64(s.Slots), q)
		if n, ok := c.depth(q); ok {
			gauge(c.length, float64(n), q)
		}
	}
}

func (c *collector) depth(queue string) (int, bool) {
	if c.source.Depth == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), depthTime)
	defer cancel()
	n, err := c.source.Depth(ctx, queue)
	return n, err == nil && n >= 0
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
