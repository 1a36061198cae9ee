package worker

import (
	"context"
	"strconv"
	"time"

	"taskbench/worker/control"
)

// remoteStats is what monitors show of a worker.
func (w *Worker) remoteStats() any {
	totals, sum := map[string]uint64{}, uint64(0)
	for name, t := range w.tasks {
		if n := t.total.Load(); n > 0 {
			totals[name] = n
			sum += n
		}
	}
	stats := map[string]any{
		"total": totals, "pid": w.pid, "clock": strconv.FormatInt(w.clock.Value(), 10),
		"uptime": int64(time.Since(w.began).Seconds()), "pool": w.poolStats(sum), "broker": w.brokerStats(),
		"prefetch_count": w.prefetch.Load(), "rusage": control.OwnUsage(),
	}
	if w.scaled() {
		stats["autoscaler"] = w.scaleStats()
	}
	return stats
}

func (w *Worker) poolStats(done uint64) map[string]any {
	p := *w.pool.Load()
	processes := p.PIDs()
	if len(processes) == 0 {
		processes = []int{w.pid}
	}
	most := any("N/A")
	if w.config.MaxTasks > 0 {
		most = w.config.MaxTasks
	}
	return map[string]any{
		"implementation": "taskbench:" + w.config.Pool, "max-concurrency": p.Size(), "processes": processes,
		"max-tasks-per-child": most, "put-guarded-by-semaphore": false,
		"timeouts": []float64{w.config.SoftLimit.Seconds(), w.config.HardLimit.Seconds()},
		"writes":   map[string]any{"total": done, "avg": mean(done, uint64(len(processes))), "all": "", "raw": "", "strategy": "fair", "inqueues": map[string]int{"total": p.Size(), "active": len(w.active())}},
	}
}

// brokerStats describes the broker as Celery does, without any password.
func (w *Worker) brokerStats() control.BrokerStats {
	b := control.BrokerOf(w.config.URL)
	if b.Transport == "" { // an embedded broker
		b.Transport = w.options.Driver.Name
	}
	return b
}

// remoteAutoscale moves the bounds between which the pool follows the work.
func (w *Worker) remoteAutoscale(_ context.Context, a args) (any, error) {
	if !w.scaled() {
		return nil, control.Raise("ValueError", "Autoscale not enabled")
	}
	most, err := control.Arg(a, "max", -1)
	if err != nil {
		return nil, err
	}
	least, err := control.Arg(a, "min", -1)
	if err != nil {
		return nil, err
	}
	bounds, err := w.rescale(most, least)
	if err != nil {
		return nil, control.Raise("ValueError", "%v", err)
	}
	return control.OK("autoscale now max=%d min=%d", bounds.Max, bounds.Min), nil
}
