package beat

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat/schedule"
)

// cpu is what this process has used, user and system.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A sink takes messages and keeps how late they were.
type sink struct {
	fakeBroker
	drift []time.Duration
}

func (s *sink) Publish(_ context.Context, m brokers.Message) error {
	at, err := time.Parse(time.RFC3339, m.Headers[ScheduledHeader].(string))
	s.drift = append(s.drift, time.Since(at))
	return err
}

// BenchmarkEntries runs beats of intervals and crontabs of a minute, spread out, for some seconds of real time, and
// reports their share of a core and how late the ticks were. What the broker and the disk take is not in it.
func BenchmarkEntries(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				entries := make([]Entry, n)
				marks := map[string]Mark{}
				now := time.Now()
				period := min(time.Minute, time.Duration(n)*20*time.Millisecond)
				for i := range entries {
					e := &entries[i]
					e.Name, e.Task, e.Schedule = fmt.Sprint("entry ", i), "noop", schedule.Every(period)
					marks[e.Name] = Mark{Name: e.Name, Last: now.Add(-period + 500*time.Millisecond + time.Duration(i)*period/time.Duration(n))}
				}
				var to sink
				r, err := New(Config{
					Open:  func(context.Context) (brokers.Broker, error) { return &to, nil },
					Store: &fakeStore{entries: entries, marks: marks}, CatchUp: CatchUp{Policy: schedule.All},
				})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(b.Context(), 6*time.Second)
				var began time.Duration
				time.AfterFunc(time.Second, func() { began = cpu(b) }) // the start is not of the kind that goes on
				if err := r.Run(ctx); err != nil {
					b.Fatal(err)
				}
				cancel()
				used := cpu(b) - began
				slices.Sort(to.drift)
				if len(to.drift) == 0 {
					b.Fatal("nothing was due")
				}
				b.ReportMetric(100*used.Seconds()/5, "%core")
				b.ReportMetric(float64(len(to.drift))/5.5, "ticks/s")
				b.ReportMetric(float64(to.drift[len(to.drift)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(to.drift[len(to.drift)*99/100].Microseconds())/1000, "p99-ms")
			}
		})
	}
}
