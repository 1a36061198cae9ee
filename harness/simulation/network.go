package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
)

// A Link is the broker's end of a connection.
type Link interface {
	brokers.Broker
	brokers.Delayer
	brokers.Exchanger
	Break()
}

// A network is between the nodes and the broker, and knows who holds what.
type network struct {
	run     *run
	seams   Seams
	custody custody

	mu      sync.Mutex
	engine  *memory.Engine
	down    bool
	conns   []*conn
	opened  map[string]uint64
	stalled map[string]time.Time // until when, by node; "broker" is all of them
	steps   []*Fault             // that have not come yet
}

var (
	errDown = brokers.Refusef("connect: the broker is down")
	errCut  = errors.New("the connection was cut")
)

// open connects a node. Dead tells whether it still may.
func (n *network) open(ctx context.Context, node string, dead func() bool) (*conn, error) {
	n.mu.Lock()
	n.opened[node]++
	name := fmt.Sprintf("%s/%d", node, n.opened[node])
	c := &conn{network: n, node: node, name: name, cut: make(chan struct{}), random: n.run.random(name)}
	n.mu.Unlock()
	if !c.travel(ctx) {
		return nil, brokers.Refuse(ctx.Err())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down || dead() {
		return nil, errDown
	}
	rules := n.run.plan.Rules
	if n.seams.Rules != nil {
		rules = n.seams.Rules(rules)
	}
	var link Link = n.engine.Connect(rules)
	if n.seams.Broker != nil {
		link = n.seams.Broker(node, link)
	}
	c.link = link
	n.conns = append(n.conns, c)
	return c, nil
}

// of are the live connections of a node.
func (n *network) of(node string) []*conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	live := n.conns[:0:0]
	for _, c := range n.conns {
		if (c.node == node || node == "broker") && !c.gone() {
			live = append(live, c)
		}
	}
	return live
}

// cut breaks all connections of a node.
func (n *network) cut(node string) int {
	conns := n.of(node)
	for _, c := range conns {
		c.breakOff()
	}
	return len(conns)
}

// restart takes the broker down.
func (n *network) restart(durable bool) {
	n.mu.Lock()
	n.down = true
	n.custody.forget()
	n.engine = n.engine.Restart(durable)
	n.mu.Unlock()
	n.cut("broker")
}

func (n *network) up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

func (n *network) stall(node string, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stalled[node].Before(until) {
		n.stalled[node] = until
	}
}

// standstill is for how long nothing passes between a node and the broker.
func (n *network) standstill(node string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(time.Until(n.stalled[node]), time.Until(n.stalled["broker"]), 0)
}

func (n *network) plant(f *Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.steps = append(n.steps, f)
}

// planted tells what is to become of a step that a node takes now: "" for nothing.
func (n *network) planted(node, step string) (moment string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, f := range n.steps {
		if f.Node != node || f.Step != step {
			continue
		}
		if f.Nth--; f.Nth > 0 {
			continue
		}
		n.steps = append(n.steps[:i:i], n.steps[i+1:]...)
		n.run.realise("%s: cut %s %s", node, f.Moment, step)
		return f.Moment
	}
	return ""
}

// delay is how long a message takes one way: mostly well below a millisecond, now and then much longer.
func delay(r *rand.Rand) time.Duration {
	d := 20*time.Microsecond + time.Duration(r.Int64N(int64(500*time.Microsecond)))
	if r.IntN(16) == 0 {
		d += time.Duration(r.Int64N(int64(60 * time.Millisecond)))
	}
	return d
}
