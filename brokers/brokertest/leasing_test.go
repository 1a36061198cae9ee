package brokertest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/memory"
)

func leaseBugs() []bug {
	stalls := func(rules memory.Rules) func(*rig, *brokertest.Subject) {
		return func(r *rig, s *brokertest.Subject) { s.Stall = r.stall(rules) }
	}
	return []bug{
		{
			clause: "unacked-returns-on-death", name: "gives up what the vanished held",
			hurt: func(r *rig, s *brokertest.Subject) {
				vanish := s.Vanish
				s.Vanish = func(ctx context.Context, queue string) error {
					_, err := r.engine.Broker().(brokers.Purger).Purge(ctx, queue)
					if err == nil {
						err = r.engine.Broker().Publish(ctx, brokers.Message{Queue: "elsewhere"})
					}
					if err == nil {
						err = vanish(ctx, "elsewhere")
					}
					return err
				}
			},
		},
		{clause: "lease-ends-not-early", name: "takes a short silence for death", hurt: stalls(memory.Rules{Lease: 2 * time.Second})},
		{clause: "lease-ends-not-early", name: "gives back at once", hurt: stalls(memory.Rules{})},
		{clause: "lease-ends-not-early", name: "keeps for the dead", hurt: stalls(memory.Rules{Lease: time.Hour})},
		{
			clause: "lease-ends-not-early", name: "consumes too late to see it",
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				<-time.After(3 * time.Second)
				return next(ctx, queues, prefetch)
			},
		},
		{
			clause: "lease-is-renewed", name: "does not renew",
			see: func(d brokers.Delivery) brokers.Delivery {
				time.AfterFunc(5*time.Second, func() { _ = d.Nack(context.Background(), true) })
				return d
			},
		},
	}
}

// Where consuming took too long, the lease is looked at once more.
func TestTheLeaseIsLookedAtOnceMore(t *testing.T) {
	i := slices.IndexFunc(brokertest.Clauses(), func(c brokertest.Clause) bool { return c.Name == "lease-ends-not-early" })
	consumes := 0
	r := apply(t, brokertest.Clauses()[i], func() bug {
		return bug{consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
			if consumes++; consumes == 1 {
				<-time.After(3 * time.Second)
			}
			return next(ctx, queues, prefetch)
		}}
	})
	if r.Err != nil || consumes != 2 {
		t.Errorf("consumed %d times: %v", consumes, r.Err)
	}
}

// A promise without its measure, or the other way round, would leave clauses out.
func TestTimeoutsAreLeases(t *testing.T) {
	for _, d := range all.Drivers() {
		for _, v := range d.Variants {
			if v.Promised(brokers.Timeout) != (v.Lease > 0) {
				t.Errorf("%s:%s promises a timeout: %v, and its lease is %v", d.Name, v.Name, v.Promised(brokers.Timeout), v.Lease)
			}
		}
	}
}

// What runs beside others must be over before anything hurts it, and must hurt nothing.
func TestWaitingClausesComeBeforeHurtingOnes(t *testing.T) {
	hurt := ""
	for _, c := range brokertest.Clauses() {
		if slices.ContainsFunc(c.Hooks, func(h brokertest.Hook) bool {
			return h == brokertest.Kill || h == brokertest.Break || h == brokertest.Silence
		}) {
			hurt = c.Name
		}
		if c.Waits && hurt != "" {
			t.Errorf("%s runs beside others, and behind or with what %s does", c.Name, hurt)
		}
	}
}
