package pool

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
)

var (
	seeds = flag.Int("seeds", 3, "how many pools TestPreforkUnderChaos lets loose")
	seed  = flag.Uint64("seed", 0, "seed of the first of them, such as a failure names; 0 draws one")
)

// Whatever happens to a pool's children and jobs at once, each job has one outcome, one that it can have, and has been
// begun once if it had any effect, and not at all otherwise.
func TestPreforkUnderChaos(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	for i := range *seeds {
		of := first + uint64(i)
		if !t.Run(fmt.Sprint(of), func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(of, 0))) }) {
			t.Logf("the same jobs and troubles again: go test ./worker/pool -run TestPreforkUnderChaos -seeds 1 -seed %d", of)
		}
	}
}

// An ordeal is one job of a chaos, and what became of it.
type ordeal struct {
	job    *Job
	kind   string
	killed bool // it was said to be
	ended  Result
}

func chaos(t *testing.T, random *rand.Rand) {
	goroutines := runtime.NumGoroutine()
	const callers, jobs = 16, 40
	p, began := eager(t, Settings{Size: 8, Log: slog.New(slog.DiscardHandler), MaxTasks: 50})
	change(p, func(l *line) { l.patience = patiently })
	var all sync.WaitGroup
	ordeals := make([]ordeal, callers*jobs)
	for i := range ordeals {
		ordeals[i] = draw(t, random)
	}
	for c := range callers {
		random := rand.New(rand.NewPCG(random.Uint64(), 1))
		all.Go(func() {
			for i := range jobs {
				ordeals[c*jobs+i].suffer(p, random)
			}
		})
	}
	over, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		trouble(p, random, over)
	}()
	ended := make(chan bool)
	go func() {
		all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		buf := make([]byte, 1<<20)
		t.Fatalf("not all jobs have ended in a minute: %s", buf[:runtime.Stack(buf, true)])
	}
	close(over)
	<-done
	begun := map[uint64]int{}
	for _, n := range began() {
		begun[n]++
	}
	for i := range ordeals {
		ordeals[i].judge(t, begun[ordeals[i].job.Attempt])
	}
	change(p, func(l *line) {
		if l.waiting.first != nil || l.behind.first != nil {
			t.Error("somebody still waits")
		}
	})
	p.Pool.Close()
	until(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= goroutines+1 })
}

// draw makes one of the jobs that there are.
func draw(t *testing.T, random *rand.Rand) ordeal {
	tasks := map[string]string{"nap": "nap 5", "send": "send 3", "limited": "deaf 30", "cancelled": "nap 1", "killed": "nap 20", "brief": "noop", "crash": "crash"}
	kind := "brief"
	switch n := random.IntN(100); {
	case n < 10:
		kind = "nap"
	case n < 18:
		kind = "send"
	case n < 22:
		kind = "limited"
	case n < 32:
		kind = "cancelled"
	case n < 38:
		kind = "killed"
	case n < 41:
		kind = "crash"
	}
	j := job(t, tasks[kind])
	if random.IntN(3) == 0 {
		j.Started = func() {}
	}
	switch kind {
	case "send":
		j.Send = func(brokers.Message) error { return nil }
	case "limited":
		j.Hard = 10 * time.Millisecond
	}
	return ordeal{job: j, kind: kind}
}

// suffer runs the job, and does to it what is to be done.
func (o *ordeal) suffer(p managed, random *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	soon := time.Duration(random.IntN(4000)) * time.Microsecond
	switch o.kind {
	case "cancelled":
		time.AfterFunc(soon, cancel)
	case "killed":
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[random.IntN(2)]
		done := make(chan bool)
		time.AfterFunc(soon, func() {
			o.killed = p.Kill(o.job.Attempt, sig)
			close(done)
		})
		defer func() { <-done }()
	}
	o.ended = p.Run(ctx, o.job)
}

// trouble changes the pool under its jobs.
func trouble(p managed, random *rand.Rand, over <-chan bool) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(random.IntN(30)) * time.Millisecond):
		}
		switch random.IntN(3) {
		case 0:
			p.Restart()
		case 1:
			_ = p.Resize(1 + random.IntN(8))
		case 2:
			change(p, func(l *line) { l.brief = []time.Duration{0, briefly, time.Hour, time.Hour}[random.IntN(4)] })
		}
	}
}

// judge says whether a job can have ended so, having been begun so often.
func (o *ordeal) judge(t *testing.T, begun int) {
	r := &o.ended
	right := begun == 1
	switch o.kind {
	case "brief", "nap":
		right = right && r.Status == OK
	case "send":
		right = right && r.Status == Failed && r.Err.Error() == "0 failed, 0 of them surely"
	case "limited":
		right = right && (r.Status == TimedOut || r.Status == OK)
	case "crash":
		right = right && r.Status == Killed && !r.Terminated
	case "cancelled":
		right = right && r.Status == OK || begun == 0 && r.Status == Unstarted
	case "killed":
		right = !o.killed && right && r.Status == OK || o.killed && begun <= 1 && r.Status == Killed && r.Terminated
	}
	if !right {
		t.Error("attempt " + strconv.FormatUint(o.job.Attempt, 10) + fmt.Sprintf(", %s, began %d times, was said to be killed: %v, and ended so: %+v", o.kind, begun, o.killed, *r))
	}
}
