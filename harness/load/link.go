package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

// Between failed attempts to open a connection there is a pause that doubles from the first to the last of
// these. It stays short, because the first publish after an outage is a measurement.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 200 * time.Millisecond
)

// errAway is the outcome of a publish that found no connection: it was provably not sent.
var errAway = brokers.Refuse(errors.New("not connected to the broker"))

// A link is one connection that several publishers share, opened again after a failure.
type link struct {
	open    func(context.Context) (brokers.Broker, error)
	patient context.Context // of the run: an attempt to open outlives the publish that began it
	timeout time.Duration
	opened  *atomic.Int64

	mu      sync.Mutex
	conn    *conn         // nil while there is none
	trying  chan struct{} // closed when the attempt under way has ended; nil when there is none
	pause   time.Duration
	notYet  time.Time // no attempt before
	closing bool
}

// A conn counts the publishes in it, so that a failed one is closed only after the others had their answer.
type conn struct {
	broker brokers.Broker
	users  int
	bad    bool
}

// take returns a connection to publish on; give must follow. Without one it waits for the attempt to open one,
// but during the pause after a failed attempt it refuses at once, as a client library would.
func (l *link) take(ctx context.Context) (*conn, error) {
	for {
		l.mu.Lock()
		if l.conn != nil {
			c := l.conn
			c.users++
			l.mu.Unlock()
			return c, nil
		}
		if l.trying == nil {
			if l.closing || time.Now().Before(l.notYet) {
				l.mu.Unlock()
				return nil, errAway
			}
			l.trying = make(chan struct{})
			go l.try(l.trying)
		}
		tried := l.trying
		l.mu.Unlock()
		select {
		case <-tried:
		case <-ctx.Done():
			return nil, errAway
		}
	}
}

// try opens the connection, within the timeout.
func (l *link) try(done chan struct{}) {
	ctx, cancel := context.WithTimeout(l.patient, l.timeout)
	broker, err := l.open(ctx)
	cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trying = nil
	defer close(done)
	if err != nil {
		l.backOff()
		return
	}
	l.opened.Add(1)
	if l.closing {
		_ = broker.Close()
		return
	}
	l.conn = &conn{broker: broker}
}

func (l *link) backOff() {
	l.pause = min(max(2*l.pause, firstPause), lastPause)
	l.notYet = time.Now().Add(l.pause)
}

// give returns a connection with what its publish came to. After any error the link is opened anew: only its
// driver could tell whether it is still good, and a needless reconnect costs little.
func (l *link) give(c *conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.users--
	switch {
	case err == nil:
		l.pause = 0
	case !c.bad:
		c.bad = true
		if l.conn == c {
			l.conn = nil
			l.backOff()
		}
	}
	if c.bad && c.users == 0 {
		// Not under the lock: closing a connection to a broker that does not answer may take its time.
		go func() { _ = c.broker.Close() }()
	}
}

// close ends the link for good, after the attempt under way.
func (l *link) close() {
	l.mu.Lock()
	l.closing = true
	tried, c := l.trying, l.conn
	l.conn = nil
	l.mu.Unlock()
	if tried != nil {
		<-tried
	}
	if c != nil {
		_ = c.broker.Close()
	}
}
