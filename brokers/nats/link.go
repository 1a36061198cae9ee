package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
)

// A link is one connection, from its beginning to its end: it does not come back. Who finds it dead makes another.
type link struct {
	nc    *client.Conn
	addr  string
	inbox string        // where answers come, with a dot at its end
	dead  chan struct{} // closed when the connection has ended

	mu        sync.Mutex
	cause     error // why it has ended
	asked     uint64
	questions map[string]*question

	declaring chan struct{} // of capacity one: who is in it may declare
	known     sync.Map      // what has been declared over this link: the name of a stream, and its consumer
	bindings  *bindings     // nil until somebody routes; for who is in declaring
}

// dial returns when the server has greeted and JetStream has answered.
func dial(ctx context.Context, s settings) (*link, error) {
	l := &link{addr: s.addr, dead: make(chan struct{}), questions: map[string]*question{}, declaring: make(chan struct{}, 1)}
	if err := brokers.Within(ctx, func() error { return l.connect(ctx, s) }); err != nil {
		l.abandon()
		return nil, fmt.Errorf("connect to nats at %s: %w", s.addr, explainDial(err))
	}
	if err := l.greet(ctx); err != nil {
		l.close()
		return nil, fmt.Errorf("open nats at %s: %w", s.addr, brokers.Refuse(err)) // only asked
	}
	return l, nil
}

func (l *link) connect(ctx context.Context, s settings) error {
	d := &dialer{ctx: ctx}
	options := append([]client.Option{
		client.Name("taskbench"), client.Timeout(patience), client.SetCustomDialer(d), client.NoReconnect(),
		client.PingInterval(pingEvery), client.MaxPingsOutstanding(pingsOut), client.FlusherTimeout(patience),
		client.ClosedHandler(l.ended), client.DisconnectErrHandler(l.broken), client.ErrorHandler(l.told),
	}, s.auth...)
	if s.tls != nil {
		options = append(options, client.Secure(s.tls))
	}
	nc, err := client.Connect("nats://"+s.addr, options...)
	if err != nil {
		return d.explain(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nc = nc
	if l.cause != nil { // nobody waits any more
		nc.Close()
		return l.cause
	}
	return nil
}

// abandon closes the connection even where it comes about only now.
func (l *link) abandon() {
	l.mu.Lock()
	nc := l.nc
	if l.cause == nil {
		l.cause = brokers.ErrClosed
	}
	l.mu.Unlock()
	if nc != nil {
		nc.Close()
	}
}

// greet subscribes to answers, and asks JetStream whether it is there.
func (l *link) greet(ctx context.Context) error {
	l.inbox = client.NewInbox() + "."
	answers, err := l.nc.Subscribe(l.inbox+"*", l.heard)
	if err != nil {
		return err
	}
	if err := answers.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.refusal(l.inbox + "*"); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.api(bounded, "INFO", nil, nil)
}

// flush returns when the server has read all that was sent.
func (l *link) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.nc.FlushWithContext(ctx)
}

// refusal is what the server said against a subscription that was flushed just now.
func (l *link) refusal(subject string) error {
	if about, denied := denial(l.nc.LastError()); about == subject {
		return denied
	}
	return nil
}

func (l *link) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// broken and ended are called by the library, in this order; only the first knows why, and not always.
func (l *link) broken(_ *client.Conn, err error) { l.blame(err) }

func (l *link) ended(nc *client.Conn) {
	l.blame(nc.LastError())
	l.mu.Lock()
	open := l.questions
	l.questions = map[string]*question{}
	l.mu.Unlock()
	for _, q := range open {
		q.answer <- answer{err: l.why()}
	}
	close(l.dead)
}

// blame keeps the first cause of the link's end.
func (l *link) blame(err error) {
	if err == nil {
		err = errors.New("the server hung up")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = fmt.Errorf("the link to nats at %s broke: %w", l.addr, err)
	}
}

// told is called by the library with what the server says out of turn.
func (l *link) told(_ *client.Conn, _ *client.Subscription, err error) {
	if subject, denied := denial(err); denied != nil {
		l.denied(subject, denied)
	}
}

// close ends the link; what is under way fails with brokers.ErrClosed. A second call does nothing.
func (l *link) close() {
	l.mu.Lock()
	if l.cause == nil {
		l.cause = brokers.ErrClosed
	}
	l.mu.Unlock()
	l.nc.Close()
}
