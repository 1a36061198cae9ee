package native

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/tasks"
	"taskbench/worker"
	"taskbench/worker/beat"
	"taskbench/worker/beat/file"
	"taskbench/worker/beat/redis"
	"taskbench/worker/beat/schedule"
)

// beatOrders is what a beat is told besides.
type beatOrders struct {
	Schedule string           `json:"schedule"` // file
	State    string           `json:"state"`    // file: what a beat that was killed has sent
	CatchUp  schedule.CatchUp `json:"catch_up"`
	Lock     bool             `json:"lock"` // there is another beat of the same schedule
}

// lease is how long the other beat waits when the one that fires is silent.
const lease = 2 * time.Second

// Agree says why two beats cannot agree by the broker's server who fires, or "".
func Agree(d brokers.Driver) string {
	if d.Name != "redis" {
		return fmt.Sprintf("two beats: they agree by a lock in redis, and the broker is %s", d.Name)
	}
	return ""
}

func startBeat(ctx context.Context, s systems.BeatSpec) (systems.Worker, error) {
	b := s.System.Beat
	path := func(ext string) string { return filepath.Join(s.Evidence, s.Name+ext) }
	p := &process{spec: s.Spec, orders: orders{
		Config: worker.Config{Name: s.Name, Broker: s.Driver.Name, Variant: s.Variant.Name, URL: s.URL},
		Dial:   path(".dial"),
		Beat:   &beatOrders{Schedule: path(".json"), State: path(".state"), CatchUp: schedule.CatchUp(b.CatchUp), Lock: b.Beats > 1},
	}}
	if err := writeSchedule(p.orders.Beat.Schedule, s.Queues[0], b, s.Start); err != nil {
		return nil, fmt.Errorf("start %s: write its schedule: %w", s.Name, err)
	}
	return p.begin(ctx)
}

// writeSchedule writes a schedule in the form of package worker/beat/file. Its ticks are at times of day, which the clock of a
// beat does not change.
func writeSchedule(path, queue string, b scenario.Beat, start time.Time) error {
	type entry struct {
		Task     string `json:"task"`
		Schedule string `json:"schedule"`
		Queue    string `json:"queue"`
		Start    string `json:"start"`
	}
	entries := map[string]entry{}
	for i := range b.Entries {
		entries[systems.EntryName(i)] = entry{tasks.Prefix + "noop", "every " + b.Every.String() + " aligned", queue, start.UTC().Format(time.RFC3339Nano)}
	}
	text, err := json.Marshal(map[string]any{"entries": entries})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// runBeat is a beat's process.
func runBeat(ctx context.Context, o orders, clock worker.Clock, log *slog.Logger) int {
	driver, variant, err := all.Find(o.Config.Broker + ":" + o.Config.Variant)
	if err != nil {
		log.Error("find the broker", "err", err)
		return 1
	}
	store, err := file.Open(o.Beat.Schedule, o.Beat.State, time.UTC, log)
	if err != nil {
		log.Error("open the schedule", "err", err)
		return 1
	}
	defer store.Close()
	c := beat.Config{
		Open:  func(ctx context.Context) (brokers.Broker, error) { return driver.Open(ctx, o.Config.URL, variant) },
		Store: store, CatchUp: beat.CatchUp{Policy: o.Beat.CatchUp}, Lease: lease, Log: log,
		Clock: func() (time.Time, time.Duration) {
			_, steady := beat.SystemClock()
			return clock(), steady
		},
	}
	if o.Beat.Lock {
		lock, err := redis.Open(o.Config.URL, "beat")
		if err != nil {
			log.Error("open the lock", "err", err)
			return 1
		}
		defer lock.Close()
		c.Lock = lock
	}
	r, err := beat.New(c)
	if err != nil {
		log.Error("set the beat up", "err", err)
		return 1
	}
	fmt.Fprint(os.Stdout, readyLine)
	if err := r.Run(ctx); err != nil {
		log.Error("run the beat", "err", err)
		return 1
	}
	return 0
}
