package simulation

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker"
)

// A bug is planted in the broker or in the workers, and must be found.
type bug struct {
	name string
	want string // some problem says so
	make func() Seams
}

// enough is how many schedules it may take to find a bug.
const enough = 400

// again is how often the schedule that has found it is run again, to see how surely it does.
const again = 10

var bugs = []bug{
	{"broker confirms what it does not keep", "lost", func() Seams {
		var n atomic.Int64
		return broker(func(node string, l *brokenLink) {
			l.publish = func(ctx context.Context, m brokers.Message) error {
				if node == "client" && n.Add(1)%10 == 0 {
					return nil
				}
				return l.Link.Publish(ctx, m)
			}
		})()
	}},
	{"broker forgets what a lost connection held", "lost", broker(func(_ string, l *brokenLink) {
		var mu sync.Mutex
		var held []brokers.Delivery
		l.deliver = func(d brokers.Delivery) brokers.Delivery {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, d)
			return d
		}
		l.lose = func() {
			mu.Lock()
			defer mu.Unlock()
			for _, d := range held {
				_ = d.Ack(context.Background()) // most were settled
			}
		}
	})},
	{"broker takes a delivery for settled", "lost", delivering(func(_ *brokenLink, d brokers.Delivery) brokers.Delivery {
		_ = d.Ack(context.Background())
		done := func(context.Context) error { return nil }
		return bent{Delivery: d, ack: done, nack: func(context.Context, bool) error { return nil }}
	})},
	{"broker drops what is given back", "lost", delivering(func(_ *brokenLink, d brokers.Delivery) brokers.Delivery {
		return bent{Delivery: d, nack: func(ctx context.Context, requeue bool) error {
			if requeue {
				return d.Ack(ctx)
			}
			return d.Nack(ctx, false)
		}}
	})},
	{"broker forgets acknowledgements", "after the workers have stopped|drain did not end", func() Seams {
		var n atomic.Int64
		return delivering(func(_ *brokenLink, d brokers.Delivery) brokers.Delivery {
			return bent{Delivery: d, ack: func(ctx context.Context) error {
				if n.Add(1)%7 == 0 {
					return nil
				}
				return d.Ack(ctx)
			}}
		})()
	}},
	{"broker hands a message out twice", "has held it", func() Seams {
		var n atomic.Int64
		return delivering(func(l *brokenLink, d brokers.Delivery) brokers.Delivery {
			if n.Add(1)%10 == 0 {
				_ = l.Link.Publish(context.Background(), d.Message())
			}
			return d
		})()
	}},
	{"broker does not flag what it hands out again", "not flagged", delivering(func(_ *brokenLink, d brokers.Delivery) brokers.Delivery {
		return bent{Delivery: d, redelivered: func() bool { return false }}
	})},
	{"broker does not heed the prefetch", "its prefetch is", broker(func(_ string, l *brokenLink) {
		l.widen = func(n int) int { return n + 1 }
	})},
	{"broker loses delayed messages", "lost", broker(func(_ string, l *brokenLink) {
		l.delay = func(context.Context, brokers.Message, time.Time) error { return nil }
	})},
	{"lease is not renewed", "has held it", rules(func(r *memory.Rules) { r.Lease, r.Visibility = 0, r.Lease })},
	{"lease of a lost connection never ends", "drain did not end", rules(func(r *memory.Rules) { r.Lease *= 1000 })},
	{"visibility timeout is too short", "has held it", rules(func(r *memory.Rules) { r.Visibility /= 2 })},
	{"dead letters without a limit", "was kept aside", rules(func(r *memory.Rules) { r.DeliveryLimit = 1 })},
	{"worker does not resume after a reconnect", "drain did not end|stall", func() Seams {
		var n atomic.Int64
		return atWorkers(func(l *brokenLink) {
			if n.Add(1) > 3 {
				l.deliver = func(brokers.Delivery) brokers.Delivery { return nil }
			}
		})()
	}},
	{"worker forgets what it has run", "never went away", atWorkers(func(l *brokenLink) {
		l.deliver = func(d brokers.Delivery) brokers.Delivery {
			return bent{Delivery: d, redelivered: func() bool { return false }}
		}
	})},
	{"broker mangles bodies", "failed, which nothing in it does", delivering(func(_ *brokenLink, d brokers.Delivery) brokers.Delivery {
		return bent{Delivery: d, message: func() brokers.Message {
			m := d.Message()
			if m.Headers["task"] == "bench.fail" {
				m.Body = []byte(`[[], {}, null]`)
			}
			return m
		}}
	})},
	{"worker starts tasks early", "early", atWorkers(func(l *brokenLink) {
		l.deliver = func(d brokers.Delivery) brokers.Delivery {
			return bent{Delivery: d, message: func() brokers.Message {
				m := d.Message()
				m.Headers = maps.Clone(m.Headers)
				delete(m.Headers, "eta")
				return m
			}}
		}
	})},
	{"worker swallows retries", "lost", atWorkers(func(l *brokenLink) {
		l.publish = func(context.Context, brokers.Message) error { return nil }
	})},
	{"worker forgets what it holds when it stops", "lost", atWorkers(func(l *brokenLink) {
		l.deliver = func(d brokers.Delivery) brokers.Delivery {
			return bent{Delivery: d, nack: func(ctx context.Context, requeue bool) error {
				if requeue {
					return d.Ack(ctx)
				}
				return d.Nack(ctx, false)
			}}
		}
	})},
	{"worker acknowledges early", "lost", func() Seams {
		return Seams{Config: func(c *worker.Config) { c.Acks = worker.Early }}
	}},
	{"worker exceeds its concurrency", "its concurrency is", func() Seams {
		return Seams{Config: func(c *worker.Config) {
			if c.Pool != "solo" {
				c.Concurrency++
			}
		}}
	}},
}

// TestPlantedBugsAreFound plants each, and runs schedules until one finds it.
func TestPlantedBugsAreFound(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if want := fmt.Sprintf("each of %d planted bugs is found", len(bugs)); err != nil || !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), want) {
		t.Errorf("the README does not say that %s (%v)", want, err)
	}
	for _, b := range bugs {
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= enough; seed++ {
				if !b.found(carryOut(t, Draw(seed), b.make())) {
					continue
				}
				sure := 0
				for range again {
					if b.found(carryOut(t, Draw(seed), b.make())) {
						sure++
					}
				}
				t.Logf("found after %d schedules, and by %d of %d replays of the last", seed, sure, again)
				if sure == 0 {
					t.Error("no replay has found it again")
				}
				return
			}
			t.Errorf("not found by %d schedules", enough)
		})
	}
}

// found tells whether a problem says what is expected of the bug.
func (b bug) found(o Outcome) bool {
	for _, p := range o.Problems {
		for want := range strings.SplitSeq(b.want, "|") {
			if strings.Contains(p, want) {
				return true
			}
		}
	}
	return false
}
