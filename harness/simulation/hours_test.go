package simulation

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/memory"
	"taskbench/worker"
)

// hours is a plan of one worker whose first task outlasts a rule of the broker.
func hours(r memory.Rules, long time.Duration, faults ...Fault) Plan {
	return Plan{
		Seed: 1, Durable: true, Rules: r, Workers: 1, Pool: "goroutine", Concurrency: 2, Prefetch: 4, ETALimit: 100, Acks: worker.Late,
		Tasks: []Task{
			{Due: time.Second, Kind: Wait, Duration: long},
			{Due: 2 * time.Second, Kind: Noop},
			{Due: 3 * time.Second, Kind: Wait, Duration: time.Second, Countdown: long},
			{Due: 20 * time.Minute, Kind: Noop},
		},
		Faults: faults,
	}
}

// TestHours has the timeouts of real brokers come in their real length. A task that outlasts them is handed out again, and
// the worker that still has it runs it once all the same.
func TestHours(t *testing.T) {
	crash := Fault{At: 10 * time.Minute, What: Crash, Node: "worker-1", For: time.Second}
	for name, p := range map[string]Plan{
		"consumer timeout of 30 minutes":  hours(memory.Rules{ConsumerTimeout: 30 * time.Minute}, 45*time.Minute),
		"visibility timeout of an hour":   hours(memory.Rules{Visibility: time.Hour}, 90*time.Minute),
		"lease of an hour":                hours(memory.Rules{Lease: time.Hour}, 90*time.Minute),
		"lease of an hour after a crash":  hours(memory.Rules{Lease: time.Hour}, 5*time.Minute, Fault{At: 3 * time.Minute, What: Crash, Node: "worker-1"}),
		"visibility timeout and a crash":  hours(memory.Rules{Visibility: time.Hour}, 30*time.Minute, crash),
		"delivery limit of 20, ten loops": hours(memory.Rules{ConsumerTimeout: 30 * time.Minute, DeliveryLimit: 20}, 5*time.Hour),
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			o := carryOut(t, p, Seams{})
			t.Logf("%v of virtual time in %v", o.Took.Round(time.Second), time.Since(began).Round(time.Millisecond))
			if len(o.Problems) > 0 || o.Executed != len(p.Tasks) {
				t.Errorf("%d of %d tasks were executed\n%v", o.Executed, len(p.Tasks), o)
			}
			most := 0
			if len(p.Faults) > 0 {
				most = len(p.Tasks)
			}
			if o.Counts.Duplicated > most {
				t.Errorf("%d tasks were run more than once by a worker that lived", o.Counts.Duplicated)
			}
			if o.Took < p.Tasks[0].Duration {
				t.Errorf("it took %v, less than its longest task", o.Took)
			}
		})
	}
}

func TestPlansAreFunctionsOfTheirSeeds(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(1000) {
		p := Draw(seed)
		if !reflect.DeepEqual(p, Draw(seed)) {
			t.Fatalf("seed %d gives different plans", seed)
		}
		for _, f := range p.Faults {
			seen[f.What+f.Moment+f.Step] = true
		}
		_, plan, _ := strings.Cut(p.String(), "\n")
		if seen[plan] {
			t.Fatalf("seed %d gives the plan of another", seed)
		}
		seen[plan] = true
	}
	for _, what := range []string{Cut, Silence, Stall, Restart, Crash, Stop, Clock, Step + "beforepublish", Step + "afterpublish", Step + "afterack", Step + "lostack"} {
		if !seen[what] {
			t.Errorf("no plan has %q", what)
		}
	}
}

// TestSchedulesRepeat runs schedules twice: what was done must be the same, to the nanosecond, or replays were in vain.
func TestSchedulesRepeat(t *testing.T) {
	const n = 60
	same := 0
	for seed := uint64(1); seed <= n; seed++ {
		a, b := carryOut(t, Draw(seed), Seams{}), carryOut(t, Draw(seed), Seams{})
		if slices.Equal(a.Realised, b.Realised) && a.Counts == b.Counts && a.Took == b.Took {
			same++
		}
	}
	t.Logf("%d of %d schedules came about the same way twice", same, n)
	if same < n*8/10 {
		t.Errorf("only %d of %d schedules came about the same way twice", same, n)
	}
}
