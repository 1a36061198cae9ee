package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"taskbench/harness/faults"
	"taskbench/harness/lab/proc"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/scenario"
)

// A step is waited for until the load's span is over, and this long at least: one that is to be counted from the healing
// of another fault on has to have its time.
const stepPatience = 10 * time.Second

// follow has the proxy read along where the schedule has a fault at a step, and only there.
func (s *stage) follow() {
	if !slices.ContainsFunc(s.cell.Scenario.Faults, func(f scenario.Fault) bool { return f.On != "" }) {
		return
	}
	wire := wireOf(s.cell)
	s.proxy.Watch(func() step.Parser { return step.For(wire) })
}

// awaited is until when a step is waited for from now on.
func (s *stage) awaited(begin time.Time) time.Time {
	end, least := begin.Add(s.span()), time.Now().Add(stepPatience)
	if end.Before(least) {
		return least
	}
	return end
}

// injectAtStep waits until a connection comes to the fault's step, where it stands still until the fault is in force. A
// step that does not come by then is an error: a fault that hit nothing must not pass.
func (s *stage) injectAtStep(ctx context.Context, f scenario.Fault, target faults.Target, end time.Time) injection {
	failed := func(err error) injection {
		return injection{name: f.Fault, node: f.Node, err: fmt.Errorf("fault %s at %s %d was never injected: %w", f.Fault, f.On, f.Nth, err)}
	}
	var sides []proxy.Side
	if f.Node == "worker" { // a publisher's connection would lead to no worker
		sides = []proxy.Side{proxy.Workers}
	}
	trap, err := s.proxy.Arm(step.Step(f.On), f.Nth, sides...)
	if err != nil {
		return failed(err)
	}
	defer trap.Release()
	patience := time.NewTimer(time.Until(end))
	defer patience.Stop()
	select {
	case <-trap.Sprung():
		if f.Node == "worker" {
			if target.Caught, err = s.caught(trap.Hit()); err != nil {
				return failed(err)
			}
		}
		return s.inject(ctx, f, target, trap)
	case <-ctx.Done():
		return failed(context.Cause(ctx))
	case <-patience.C:
		return failed(errors.New(missed(trap, s.proxy)))
	}
}

// caught is the worker whose connection stands at the step.
func (s *stage) caught(h proxy.Hit) (string, error) {
	door, err := netip.ParseAddrPort(s.proxy.AddrOf(proxy.Workers))
	if err != nil {
		return "", err
	}
	for _, w := range s.workers {
		pid, err := proc.Holder(w.PIDs(), int(h.Client.Port()), int(door.Port()))
		if err != nil {
			return "", err
		}
		if pid != 0 {
			return w.Name(), nil
		}
	}
	return "", fmt.Errorf("connection %d came to the step, and no worker has it any more", h.Link)
}

// missed says what was seen instead of a step.
func missed(trap *proxy.Trap, p *proxy.Proxy) string {
	text := fmt.Sprintf("no connection%s came to it; since then the proxy has seen ", trap.Of())
	steps := trap.Steps()
	if len(steps) == 0 {
		text += "no step at all"
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(steps)) {
		parts = append(parts, fmt.Sprintf("%d %s", steps[s], s))
	}
	text += strings.Join(parts, ", ")
	if strange := p.Strange(); strange != "" {
		text += "; " + strange
	}
	return text
}
