// Package faults is the ways to hurt a run: one file for each fault. A fault proves that it took effect before
// it counts as injected, and its healing proves that the effect is gone.
package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
)

// A Target is everything that a fault may touch in one run.
type Target struct {
	Broker  lab.Node
	Proxy   *proxy.Proxy // nil for a library broker
	Via     string       // the broker's URL through the proxy, as workers know it
	SendVia string       // likewise, as publishers know it
	Driver  brokers.Driver
	Variant brokers.Variant
	Workers []systems.Worker
	Beats   []systems.Worker
	Rand    *rand.Rand // the run's, for the choice of a victim
	// Claim takes a worker for this fault until its healing is over; false when another fault has it. nil always lets.
	Claim func(worker string) bool
	// Caught is the worker whose connection stands at the step that the fault waited for: the victim. "" is none.
	Caught string

	Queue   string   // of the tasks
	Members []Member // of a broker that is several servers; nil else
	aim     *aim     // nil unless Aim chose a member
}

// claim takes a worker for the fault.
func (t Target) claim(w systems.Worker) bool { return t.Claim == nil || t.Claim(w.Name()) }

// An Effect is an injected fault.
type Effect struct {
	Node  string        // who was hurt: the victim's name
	Proof string        // what was seen; "" makes the run say that it saw no effect
	Clock systems.Drift // of the victim's wall clock
	// Heal undoes the fault and returns, with what was seen, once the undoing had its effect.
	Heal func(ctx context.Context) (proof string, err error)
}

// A Fault is one way to hurt a node.
type Fault struct {
	Name, Doc string
	Node      string           // broker, worker or beat
	Params    map[string]Param // besides "for"
	For       time.Duration    // how long it lasts when the scenario does not say; 0 where the scenario must, unless it is brief
	Brief     bool             // it is over as soon as it happened
	Ends      bool             // it ends the process of its node, and with it what that keeps in memory alone
	Destroys  bool             // it destroys what the broker holds, by design: what was acknowledged before is lost
	Member    bool             // it hurts one server of a broker that is several, and no broker as a whole
	Absent    bool             // a member that it hurts is gone for the others, who must say so before it counts as injected
	Whole     bool             // it hurts every worker, or what all of them have in common: no other fault on one may go with it
	// Unfit says why the fault cannot be applied in the setting, or "".
	Unfit func(Setting) string
	// Inject returns once the fault is in full effect. On error nothing is left to heal.
	Inject func(ctx context.Context, t Target, a Args) (Effect, error)
}

// all is filled by the file of each fault.
var all = map[string]Fault{}

// register adds the fault of a file; faults on broker and worker may share a name.
func register(f Fault) struct{} {
	key := f.Node + "/" + f.Name
	if _, twice := all[key]; twice {
		panic("fault " + key + " is registered twice")
	}
	all[key] = f
	return struct{}{}
}

// All lists every fault, by node and name.
func All() []Fault {
	list := make([]Fault, 0, len(all))
	for _, f := range all {
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Node != list[j].Node {
			return list[i].Node < list[j].Node
		}
		return list[i].Name < list[j].Name
	})
	return list
}

// Forgets tells whether a fault of that name on the broker ends its process, and with it what that keeps in memory alone.
func Forgets(name string) bool { return all["broker/"+name].Ends }

// Find finds a fault by name and the address of a node; with an empty one the name must be enough.
func Find(name, node string) (Fault, error) {
	node = scenario.Kind(node)
	if f, ok := all[node+"/"+name]; ok {
		return f, nil
	}
	var found []Fault
	for _, f := range All() {
		if f.Name == name && (node == "" || node == f.Node) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Fault{}, fmt.Errorf("no fault %q on node %q; `bench list faults` shows what there is", name, node)
	default:
		return Fault{}, fmt.Errorf("fault %q needs a node: broker, worker or beat", name)
	}
}

// withdraw heals a fault that did not take effect, since after a failed injection nobody else will. Its error is why,
// and what kept it from healing, if anything did.
func withdraw(ctx context.Context, heal func(context.Context) (string, error), why error) error {
	ctx, cancel := outliving(ctx)
	defer cancel()
	_, err := heal(ctx)
	return errors.Join(why, err)
}

// outliving is for the undoing of an injection that failed: the end of a run may be why it failed, and must not be why
// something stays to be healed.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
}

// probe makes one protocol exchange with the broker at the URL: its own, or t.Via for the way that clients take.
func probe(ctx context.Context, t Target, url string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := t.Driver.Server.Ready(ctx, url)
	return err
}

// refused sees whether a client at the URL is refused, and returns what it got instead of an answer, nil when there was one.
// When the run ends meanwhile that is an error: it shows nothing of the broker.
func refused(ctx context.Context, t Target, url string, patience time.Duration) (instead, err error) {
	instead = probe(ctx, t, url, patience)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("see whether the broker answers: %w", ctx.Err())
	}
	return instead, nil
}
