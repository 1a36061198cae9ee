package simulation

import (
	"fmt"
	"time"

	"taskbench/harness/ledger"
)

// inject does what a fault says, and returns when it is healed.
func (r *run) inject(f Fault) {
	at := ledger.Now()
	proof := r.hurt(f)
	r.realise("%s: %s", f, proof)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, ledger.FaultSpan{
		Fault: f.What, Node: f.Node, At: at - r.began, InEffect: at - r.began, Healed: ledger.Now() - r.began, Proof: proof,
		Ends: f.What == Crash || f.What == Stop || f.What == Restart,
	})
}

func (r *run) hurt(f Fault) (proof string) {
	n := r.network
	switch f.What {
	case Cut:
		return fmt.Sprintf("%d connections", n.cut(f.Node))
	case Silence:
		conns := n.of(f.Node)
		for _, c := range conns {
			c.fallSilent()
		}
		<-time.After(f.For)
		for _, c := range conns {
			c.breakOff()
		}
		return fmt.Sprintf("%d connections", len(conns))
	case Stall:
		n.stall(f.Node, time.Now().Add(f.For))
		<-time.After(f.For)
	case Restart:
		r.mu.Lock()
		if !r.plan.Durable {
			r.restarted = ledger.Now()
		}
		r.mu.Unlock()
		n.restart(r.plan.Durable)
		<-time.After(f.For)
		n.up()
	case Crash, Stop:
		h := r.host(f.Node)
		if h.current() == nil {
			proof = "it was down already"
		}
		if f.What == Crash {
			h.crash(nil)
		} else {
			h.stop()
		}
		<-time.After(f.For)
		h.start()
	case Clock:
		r.client.step(f.For)
	case Step:
		n.plant(&f)
		return "planted"
	}
	return proof
}

func (r *run) host(name string) *host {
	for _, h := range r.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}
