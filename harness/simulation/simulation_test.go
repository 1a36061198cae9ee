package simulation

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	schedules = flag.Int("schedules", 3000, "how many fault schedules TestSchedules runs; with -short or -race a tenth")
	from      = flag.Uint64("from", 1, "the seed of the first")
	seed      = flag.Uint64("seed", 0, "the schedule that TestReplay runs")
	times     = flag.Int("times", 20, "how often TestReplay runs it at most, until it fails; with 1 and -v it shows the log of the workers")
)

// replay is the line that runs a schedule again.
func replay(seed uint64) string {
	return fmt.Sprintf("go test ./harness/simulation -run TestReplay -v -seed %d", seed)
}

// carryOut runs a plan in a bubble of its own.
func carryOut(t *testing.T, p Plan, s Seams) (o Outcome) {
	defer func() {
		if r := recover(); r != nil { // the bubble's word for goroutines that are left over, or wait for each other
			panic(fmt.Sprintf("%v\nseed %d; again: %s", r, p.Seed, replay(p.Seed)))
		}
	}()
	synctest.Test(t, func(*testing.T) { o = Run(p, s) })
	return o
}

// sweep runs the schedules of so many seeds, on all processors, until visit says stop.
func sweep(t *testing.T, first uint64, n int, s func() Seams, visit func(Plan, Outcome) (goOn bool)) {
	var next atomic.Uint64
	var over atomic.Bool
	t.Run("all", func(t *testing.T) {
		for lane := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < uint64(n) && !over.Load(); i = next.Add(1) - 1 {
					p := Draw(first + i)
					if !visit(p, carryOut(t, p, s())) {
						over.Store(true)
					}
				}
			})
		}
	})
}

// TestSchedules runs many seeded random fault schedules, each of which must keep every promise.
func TestSchedules(t *testing.T) {
	n := *schedules
	if testing.Short() || raced {
		n /= 10
	}
	began, worked := time.Now(), processorTime()
	var failed, tasks, faults, virtual atomic.Int64
	sweep(t, *from, n, func() Seams { return Seams{} }, func(p Plan, o Outcome) bool {
		tasks.Add(int64(o.Executed))
		faults.Add(int64(len(p.Faults)))
		virtual.Add(int64(o.Took))
		if len(o.Problems) == 0 {
			return true
		}
		t.Errorf("%s%v\nagain: %s\n", p, o, replay(p.Seed))
		return failed.Add(1) < 5
	})
	took := time.Since(began)
	worked = processorTime() - worked
	t.Logf("%d schedules with %d faults and %d executed tasks, %v of virtual time, in %v: %.0f schedules a minute",
		n, faults.Load(), tasks.Load(), time.Duration(virtual.Load()).Round(time.Hour), took.Round(time.Millisecond), float64(n)/took.Minutes())
	t.Logf("%v of processor time, %v each: %.0f schedules a minute on two processors of their own",
		worked.Round(time.Millisecond), (worked / time.Duration(n)).Round(time.Microsecond), 2*float64(n)/worked.Minutes())
	if each := worked / time.Duration(n); each > allowance && !raced {
		t.Errorf("a schedule takes %v of processor time, and %v is the most", each, allowance)
	}
}

// allowance is the processor time of one schedule with which two processors run 10,000 a minute.
const allowance = 2 * time.Minute / 10_000

// processorTime is what this process has used; what others do meanwhile is not in it.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestReplay runs one schedule again, and shows what happens.
func TestReplay(t *testing.T) {
	if *seed == 0 {
		*seed = 1
	}
	p := Draw(*seed)
	t.Logf("%s", p)
	for i := range *times {
		var s Seams
		if testing.Verbose() && *times == 1 {
			s.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		if o := carryOut(t, p, s); len(o.Problems) > 0 {
			t.Fatalf("run %d of it fails:\n%v", i+1, o)
		}
	}
}
