package brokertest_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/memory"
)

// A rig is a memory server that keeps every promise there is, on a network inside this process, so that it runs in a
// synctest bubble and no wait takes any time.
type rig struct {
	t      *testing.T
	engine *memory.Engine
	bug    bug
	relay  *brokertest.Relay
	front  *pipes // what clients dial; the relay listens
	back   *pipes // what the relay dials; the server listens

	mu     sync.Mutex
	server *memory.Server
}

func newRig(t *testing.T, b bug) *rig {
	r := &rig{t: t, engine: memory.New(), bug: b, front: newPipes(), back: newPipes()}
	r.server = memory.Serve(r.back, r.engine)
	r.relay = brokertest.NewRelay(r.front, r.back.dial)
	return r
}

func (r *rig) close() {
	if err := errors.Join(r.relay.Close(), r.server.Close(), r.engine.Close()); err != nil {
		r.t.Errorf("close the rig: %v", err)
	}
}

func (r *rig) subject() brokertest.Subject {
	v := brokers.Variant{Name: "test", Promises: []brokers.Promise{
		brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO,
		brokers.Priorities, brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Exchanges,
		brokers.Delays,
	}, Lease: 5 * time.Second}
	s := brokertest.Subject{
		Driver:  brokers.Driver{Name: "rig", Variants: []brokers.Variant{v}, Open: r.open},
		Variant: v,
		URL:     "rig://alive:1",
		Kill:    r.kill,
		Break:   r.relay.Break,
		Silence: r.relay.Silence,
		Vanish:  r.vanish,
		Stall:   r.stall(memory.Rules{Lease: v.Lease}),
	}
	if r.bug.hurt != nil {
		r.bug.hurt(r, &s)
	}
	return s
}

func (r *rig) open(ctx context.Context, rawURL string, _ brokers.Variant) (brokers.Broker, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	dial := r.front.dial
	if u.Host != "alive:1" {
		dial = func(context.Context) (net.Conn, error) { return nil, errors.New("nobody listens") }
	}
	if r.bug.open != nil {
		return r.bug.open(ctx, dial)
	}
	b, err := memory.Connect(ctx, dial)
	if err != nil {
		return nil, err
	}
	return &bent{broker: b.(whole), bug: r.bug}, nil
}

// kill kills the server. Another one is started over the same engine, as if that had been on disk.
func (r *rig) kill(context.Context) (start func(context.Context) error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start, r.server.Close()
}

func (r *rig) start(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back.reopen()
	r.server = memory.Serve(r.back, r.engine)
	return nil
}

// vanish takes one message, and is gone without having settled it.
func (r *rig) vanish(ctx context.Context, queue string) error {
	b := r.engine.Broker()
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return err
	}
	<-c.Deliveries()
	return b.Close()
}

// stall takes one message under these rules, and gives no sign of life any more: its leases run out.
func (r *rig) stall(rules memory.Rules) func(context.Context, string) (func() error, error) {
	return func(ctx context.Context, queue string) (func() error, error) {
		b := r.engine.Connect(rules)
		c, err := b.Consume(ctx, []string{queue}, 1)
		if err != nil {
			return nil, err
		}
		<-c.Deliveries()
		b.Break()
		return func() error { return nil }, nil
	}
}

// pipes is a network of one address, within the process.
type pipes struct {
	conns chan net.Conn
	mu    sync.Mutex
	shut  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), shut: make(chan struct{})} }

func (p *pipes) done() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shut
}

func (p *pipes) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = make(chan struct{})
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make it a net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done())
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }
