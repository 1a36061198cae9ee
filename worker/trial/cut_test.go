package trial_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// A cutTrial is a worker whose connection is cut once while it works off a queue.
type cutTrial struct {
	server  server
	results bool // it is the connection to the results that is cut
	way     int
	after   int // bytes; below 0 there is no cut
}

// TestCutAtEveryStep: wherever in the protocol the connection breaks, all the work is done, once where nobody else has
// to be asked, and the worker goes on.
func TestCutAtEveryStep(t *testing.T) {
	for _, s := range servers(t) {
		for _, onResults := range []bool{false, true} {
			if _, inRedis := results(t).(*redis.Backend); onResults && (!inRedis || s.name() != swift(t).name()) {
				continue // they are in this process, or this was tried with the other broker
			}
			name := s.name()
			if onResults {
				name = "results"
			}
			t.Run(name, func(t *testing.T) {
				began := time.Now()
				total, _ := cutTrial{server: s, results: onResults, after: -1}.run(t)
				random := rand.New(rand.NewPCG(7, uint64(len(name))))
				for i := range thorough(16, 4) {
					c := cutTrial{server: s, results: onResults, way: i % 2}
					// As many among the first bytes, where connections are set up, as among the many that follow.
					// Half of what passed before passes for sure.
					c.after = int(math.Exp(random.Float64() * math.Log(float64(total[c.way])/2)))
					t.Run(fmt.Sprintf("way %d after %d", c.way, c.after), func(t *testing.T) {
						if _, cuts := c.run(t); cuts != 1 {
							t.Errorf("the connection was cut %d times", cuts)
						}
					})
				}
				t.Logf("%d and %d bytes pass in all; the cuts took %v", total[up], total[down], time.Since(began).Round(time.Millisecond))
			})
		}
	}
}

// run runs the trial, and returns what passed the wire and how often it was cut.
func (c cutTrial) run(t *testing.T) (total [2]int, cuts int) {
	queue, file, b := fmt.Sprintf("%s.%d.%d", queueOf(t), os.Getpid(), time.Now().UnixNano()), tempFile(t), c.server.open(t)
	s, kept := c.server, results(t)
	var w *wire
	var o worker.Options
	if c.results {
		var at string
		w, at = newWire(t, s.url)
		o.Results = resultsAt(t, at)
	} else {
		w, s.url = newWire(t, s.url)
		if s.name() == "redis" {
			s.url += "?lease=1s" // what the worker held of old comes back after it
		}
		o.Results = kept
	}
	notes := map[string]any{"file": file}
	want := map[string]bool{}
	for i := range 30 {
		name, id := "note", queue+"."+strconv.Itoa(i)
		switch {
		case i%8 == 3:
			name = "again"
		case i%8 == 5:
			name = "parent"
			want[id+"-child"] = true
		}
		want[id] = true
		publish(t, b, task(queue, name, id, []any{1}, notes))
	}
	w.cutAfter(c.after, c.way)
	r := start(t, s, worker.Config{Pool: "goroutine", Concurrency: 4, Prefetch: 8, Queues: []string{queue}}, o)
	within(t, time.Minute, "all is done and settled", func() bool {
		return leftIn(t, b, queue) == 0 && r.Stats().InHand == 0 && len(noted(t, file)) >= len(want)
	})
	runs := map[string]int{}
	for _, id := range noted(t, file) {
		runs[id]++
	}
	for id := range want {
		n, child := runs[id], strings.HasSuffix(id, "-child")
		// A publish that nobody knows the outcome of is repeated; so what tasks send may come twice. So may a task
		// that found its publish to have failed.
		i, _ := strconv.Atoi(strings.TrimSuffix(id[strings.LastIndexByte(id, '.')+1:], "-child"))
		plain := !child && i%8 != 3 && i%8 != 5
		if n == 0 || plain && n > 1 || n > 3 {
			t.Errorf("task %s ran %d times", id, n)
		}
		backend := o.Results
		if c.results {
			backend = kept
		}
		if rec, err := backend.Get(t.Context(), id); err != nil || rec.State != result.Success {
			t.Errorf("the result of task %s is %s (%v)", id, rec.State, err)
		}
	}
	if n := leftIn(t, b, brokers.DeadLetterQueue(queue)); n > 0 {
		t.Errorf("%d messages were kept aside", n)
	}
	id := queue + ".after"
	publish(t, b, task(queue, "note", id, []any{0}, notes))
	within(t, time.Minute, "the worker goes on", func() bool {
		lines := noted(t, file)
		return len(lines) > 0 && lines[len(lines)-1] == id
	})
	r.stop()
	return w.passed()
}
