package simulation

import (
	"context"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/worker/client"
	"taskbench/worker/message"
)

// A publisher is the node that sends tasks, over one connection at a time. It tries each once.
type publisher struct {
	run   *run
	tasks *client.Client

	mu   sync.Mutex
	conn *conn
	skew time.Duration // of its clock
}

// publishPatience is how long the client waits for one publish.
const publishPatience = 4 * time.Second

// publish sends one task when it is due.
func (p *publisher) publish(seq uint64, t Task) {
	<-time.After(t.Due)
	ctx, cancel := context.WithTimeout(context.Background(), publishPatience)
	defer cancel()
	r := p.run
	r.recorder.PublishStart(seq, ledger.Now())
	err := p.send(ctx, seq, t)
	outcome := ledger.PublishOK
	switch {
	case err == nil:
	case brokers.Definite(err):
		outcome = ledger.PublishFailed
	default:
		outcome = ledger.PublishUnknown
	}
	r.recorder.PublishEnd(seq, ledger.Now(), outcome)
}

func (p *publisher) send(ctx context.Context, seq uint64, t Task) error {
	id := p.run.tag.ID(seq)
	o := message.Options{Queue: queue}
	if t.Countdown > 0 {
		p.mu.Lock()
		o.ETA = time.Now().Add(p.skew + t.Countdown)
		p.mu.Unlock()
		p.run.mu.Lock()
		p.run.notBefore[seq] = o.ETA
		p.run.mu.Unlock()
	}
	var kwargs map[string]any
	name := "bench.noop"
	switch t.Kind {
	case Wait:
		name, kwargs = "bench.io", map[string]any{"us": t.Duration.Microseconds()}
	case Fail:
		name, kwargs = "bench.fail", map[string]any{"fails": t.Times}
	case Panic, Deadly, Unknown:
		name = "simulation." + string(t.Kind)
	case Garbled:
		m, err := message.New(name, id, nil, nil, o)
		if err != nil {
			return err
		}
		m.Body = []byte(`[[], {`)
		return p.Publish(ctx, m)
	}
	return p.tasks.SendAs(ctx, id, name, nil, kwargs, o)
}

// Publish implements client.Publisher, over a new connection if the last one is lost.
func (p *publisher) Publish(ctx context.Context, m brokers.Message) error {
	c, err := p.live(ctx)
	if err != nil {
		return err
	}
	return c.Publish(ctx, m)
}

func (p *publisher) live(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	c := p.conn
	p.mu.Unlock()
	if c != nil && !c.gone() {
		return c, nil
	}
	c, err := p.run.network.open(ctx, "client", func() bool { return false })
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && !p.conn.gone() {
		_ = c.Close() // another was quicker
		return p.conn, nil
	}
	p.conn = c
	return c, nil
}

func (p *publisher) step(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skew += by
}

func (p *publisher) close() {
	if p.conn != nil {
		_ = p.conn.Close() // never fails
	}
}
