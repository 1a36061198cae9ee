package worker

import (
	"runtime"
	"testing"
)

// A worker bounds how often a message is handed out, unless it is told not to.
func TestDeliveriesThatNobodySaid(t *testing.T) {
	for said, want := range map[int]int{0: 1000, 20: 20, -1: -1} {
		if got := (Config{MaxDeliveries: said}).Complete().MaxDeliveries; got != want {
			t.Errorf("%d stands for %d, want %d", said, got, want)
		}
	}
}

// A worker that is not told how many tasks to run at a time uses the machine, as Celery's does.
func TestConcurrencyThatNobodySaid(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   int
	}{
		"no pool":             {Config{}, runtime.NumCPU()},
		"goroutine":           {Config{Pool: "goroutine"}, runtime.NumCPU()},
		"green":               {Config{Pool: "green"}, runtime.NumCPU()},
		"prefork":             {Config{Pool: "prefork"}, runtime.NumCPU()},
		"threads":             {Config{Pool: "threads"}, runtime.NumCPU()},
		"solo":                {Config{Pool: "solo"}, 1},
		"said":                {Config{Pool: "threads", Concurrency: runtime.NumCPU() + 1}, runtime.NumCPU() + 1},
		"autoscale":           {Config{Autoscale: Autoscale{Max: 9, Min: 3}}, 3},
		"autoscale from none": {Config{Autoscale: Autoscale{Max: 9}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.config.Complete().Concurrency; got != c.want {
				t.Errorf("concurrency %d, want %d", got, c.want)
			}
			if c.config.Pool == "" {
				return
			}
			w := begin(t, newFake(), c.config, nil)
			eventually(t, "it is connected", func() bool { return w.Stats().Connected })
			if got := w.Stats().PoolSize; got != c.want {
				t.Errorf("the pool has %d places, want %d", got, c.want)
			}
			w.stop()
		})
	}
}
