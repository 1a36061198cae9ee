package harness

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/harness/faults"
	"taskbench/harness/scenario"
)

// An injection is one fault of the schedule as it really happened. Times are nanoseconds since the load began.
type injection struct {
	name, node              string
	at, inEffect, healStart int64
	healed                  int64 // 0 when it never was
	proof, healProof        string
	destroys                bool // what the broker held, by design
	err                     error
}

// breakAndHeal runs the fault schedule and returns when every injected fault has been healed, or has failed to.
func (s *stage) breakAndHeal(ctx context.Context, begin time.Time) []injection {
	schedule := slices.Clone(s.cell.Scenario.Faults)
	slices.SortStableFunc(schedule, func(a, b scenario.Fault) int { return int(a.At - b.At) })
	done := make([]injection, len(schedule))
	var all sync.WaitGroup
	for i, f := range schedule {
		// Each fault has its own chance, so that leaving one out does not change the others' victims.
		target := faults.Target{
			Broker: s.node, Proxy: s.proxy, Via: s.url, SendVia: s.sendURL, Driver: s.cell.Driver, Variant: s.cell.Variant, Workers: s.workers,
			Rand: s.random(firstFault + uint64(i)),
		}
		target.Claim = func(worker string) bool { return s.claim(worker, i) }
		all.Go(func() {
			defer s.unclaim(i)
			due := begin.Add(s.cell.Scenario.Load.Warmup + f.At)
			defer s.over()
			if !waitUntil(ctx, due) {
				done[i] = injection{name: f.Fault, node: f.Node, err: fmt.Errorf("fault %s was never injected: %w", f.Fault, context.Cause(ctx))}
				return
			}
			done[i] = s.inject(ctx, f, target)
		})
	}
	all.Wait()
	return done
}

// inject injects one fault, waits, and heals it. The healing outlives the cancellation of ctx.
func (s *stage) inject(ctx context.Context, f scenario.Fault, target faults.Target) injection {
	fault, err := faults.Find(f.Fault, f.Node)
	if err != nil {
		return injection{name: f.Fault, node: f.Node, err: err}
	}
	if fault.Node == "broker" {
		// By the schedule they do not overlap, but a healing takes its time: it would undo the next one as well.
		s.hurting.Lock()
		defer s.hurting.Unlock()
		if ctx.Err() != nil {
			return injection{name: f.Fault, node: f.Node, err: fmt.Errorf("fault %s was never injected: %w", f.Fault, context.Cause(ctx))}
		}
	}
	args, err := fault.Args(f.For, f.Params)
	if err != nil {
		return injection{name: f.Fault, node: f.Node, err: err}
	}
	i := injection{name: fault.Name, node: fault.Node, at: s.now(), destroys: fault.Destroys}
	s.setInForce(fault.Name, true)
	defer s.setInForce(fault.Name, false)
	effect, err := fault.Inject(ctx, target, args)
	if err != nil {
		i.err = fmt.Errorf("inject fault %s: %w", fault.Name, err)
		return i
	}
	i.inEffect, i.node, i.proof = s.now(), effect.Node, effect.Proof
	s.clock.note(fmt.Sprintf("fault %s on %s: %s", fault.Name, i.node, i.proof))
	if i.proof == "" {
		i.err = fmt.Errorf("fault %s on %s had no effect that could be seen", fault.Name, i.node)
	}
	waitUntil(ctx, time.Now().Add(f.For))

	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
	defer cancel()
	i.healStart = s.now()
	if i.healProof, err = effect.Heal(healing); err != nil {
		i.err = fmt.Errorf("heal fault %s on %s: %w", fault.Name, i.node, err)
		return i
	}
	i.healed = s.now()
	s.healedAny.Store(true)
	s.healedAt.Store(i.healed)
	s.clock.note(fmt.Sprintf("healed %s on %s: %s", fault.Name, i.node, i.healProof))
	return i
}

// claim takes a worker for a fault of the schedule, unless another one has it.
func (s *stage) claim(worker string, fault int) bool {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	if by, taken := s.claims[worker]; taken && by != fault {
		return false
	}
	if s.claims == nil {
		s.claims = map[string]int{}
	}
	s.claims[worker] = fault
	return true
}

func (s *stage) unclaim(fault int) {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	maps.DeleteFunc(s.claims, func(_ string, by int) bool { return by == fault })
}

// waitUntil returns false when ctx ended first.
func waitUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// over counts a fault of the schedule as done with, for good or ill.
func (s *stage) over() {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	s.pending--
}

func (s *stage) setInForce(name string, on bool) {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	if on {
		s.force = append(s.force, name)
		return
	}
	if i := slices.Index(s.force, name); i >= 0 {
		s.force = slices.Delete(s.force, i, i+1)
	}
}

// inForce is the names of the faults that hurt at this moment.
func (s *stage) inForce() []string {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	return slices.Clone(s.force)
}
