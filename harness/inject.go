package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/harness/faults"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
)

// An injection is one fault of the schedule as it really happened. Times are nanoseconds since the load began.
type injection struct {
	number                  int // of its line in the schedule
	name, node              string
	planned                 scenario.Fault
	waited                  time.Duration // for its turn
	at, inEffect, healStart int64
	healed                  int64 // 0 when it never was
	proof, healProof        string
	steps                   map[step.Step]int64 // how many messages came to each step until the fault's own did; nil for others
	destroys                bool                // what the broker held, by design
	ends                    bool                // the processes of its node
	clock                   systems.Drift       // of its node's wall clock
	err                     error
}

// breakAndHeal runs the fault schedule and returns when every injected fault has been healed, or has failed to.
func (s *stage) breakAndHeal(ctx context.Context, begin time.Time) []injection {
	schedule := s.cell.Scenario.Faults // plain lines, in order of time
	s.turns = newTurns(len(s.workers))
	done := make([]injection, len(schedule))
	var all sync.WaitGroup
	for i, f := range schedule {
		// Each fault has the chance of its number, so that leaving one out does not change the others' victims.
		target := faults.Target{
			Broker: s.node, Proxy: s.proxy, Via: s.url, SendVia: s.sendURL, Driver: s.cell.Driver, Variant: s.cell.Variant, Workers: s.workers, Beats: s.beats,
			Queue: s.queues()[0], Members: s.members,
			Rand: s.random(firstFault + uint64(f.Number) - 1),
		}
		target.Claim = func(worker string) bool { return s.claim(worker, i) }
		all.Go(func() {
			defer s.unclaim(i)
			due := begin.Add(s.cell.Scenario.Load.Warmup + f.At)
			defer s.over()
			done[i] = injection{name: f.Fault, node: f.Node}
			switch {
			case !waitUntil(ctx, due):
				done[i].err = fmt.Errorf("fault %s was never injected: %w", f.Fault, context.Cause(ctx))
			case f.On == "":
				done[i] = s.inject(ctx, f, target, nil)
			default:
				done[i] = s.injectAtStep(ctx, f, target, s.awaited(begin))
			}
			done[i].number, done[i].planned = f.Number, f
		})
	}
	all.Wait()
	return done
}

// inject injects one fault, waits, and heals it. The healing outlives the cancellation of ctx. A fault at a step has a
// trap, in which a connection stands still until the fault is in force.
func (s *stage) inject(ctx context.Context, f scenario.Fault, target faults.Target, trap *proxy.Trap) injection {
	fault, err := faults.Find(f.Fault, f.Node)
	if err != nil {
		return injection{name: f.Fault, node: f.Node, err: err}
	}
	due := time.Now()
	release, ok := s.turns.take(ctx, f)
	if !ok {
		return injection{name: f.Fault, node: f.Node, err: fmt.Errorf("fault %s was never injected: %w", f.Fault, context.Cause(ctx))}
	}
	defer release()
	args, err := fault.Args(f.For, f.Params)
	if err != nil {
		return injection{name: f.Fault, node: f.Node, err: err}
	}
	waited := time.Since(due)
	if target, err = target.Aim(ctx, f.Node); err != nil {
		return injection{name: f.Fault, node: f.Node, err: fmt.Errorf("aim fault %s: %w", f.Fault, err)}
	}
	i := injection{name: fault.Name, node: fault.Node, at: s.now(), waited: waited, destroys: fault.Destroys, ends: fault.Ends}
	s.setInForce(fault.Name, true)
	defer s.setInForce(fault.Name, false)
	effect, err := fault.Strike(ctx, target, args)
	if trap != nil {
		trap.Release()
		i.steps = trap.Hit().Steps
	}
	if err != nil {
		i.err = fmt.Errorf("inject fault %s: %w", fault.Name, err)
		return i
	}
	i.inEffect, i.node, i.proof, i.clock = s.now(), effect.Node, effect.Proof, effect.Clock
	if trap != nil && i.proof != "" {
		i.proof = trap.Hit().String() + caughtIn(target) + "; " + i.proof
	}
	i.number, i.planned = f.Number, f
	s.remember(i)
	s.clock.note(fmt.Sprintf("fault %d, %s on %s: %s", f.Number, fault.Name, i.node, i.proof))
	if i.proof == "" {
		i.err = fmt.Errorf("fault %s on %s had no effect that could be seen", fault.Name, i.node)
	}
	waitUntil(ctx, time.Now().Add(f.For))

	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
	defer cancel()
	i.healStart = s.now()
	if i.healProof, err = effect.Heal(healing); err != nil {
		i.err = errors.Join(i.err, fmt.Errorf("heal fault %s on %s: %w", fault.Name, i.node, err))
		return i
	}
	i.healed = s.now()
	s.remember(i)
	s.healedAny.Store(true)
	s.healedAt.Store(i.healed)
	s.clock.note(fmt.Sprintf("healed fault %d, %s on %s: %s", f.Number, fault.Name, i.node, i.healProof))
	return i
}

// caughtIn says whose connection stood at the step, where that was asked.
func caughtIn(t faults.Target) string {
	if t.Caught == "" {
		return ""
	}
	return ", and is " + t.Caught + "'s"
}

// remember keeps a fault that took effect, for reports while the run goes on.
func (s *stage) remember(i injection) {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	if s.past == nil {
		s.past = map[int]injection{}
	}
	s.past[i.number] = i
}

// faultsSoFar are the faults that took effect until now.
func (s *stage) faultsSoFar() []injection {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	return slices.SortedFunc(maps.Values(s.past), func(a, b injection) int { return cmp.Compare(a.number, b.number) })
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
