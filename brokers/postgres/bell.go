package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"taskbench/brokers/feed"
)

// channel is what consumers listen to: the names of queues that have got something.
const channel = "taskbench"

// between is how long the bell is silent at least. Under load nobody needs it, as who is busy looks by himself.
const between = 2 * time.Millisecond

// A bell wakes the consumers of queues, those of other processes too. It is rung after the commit and by itself: a
// transaction that notifies holds a lock of the whole server until it is through, and with it its fsync. A ring that is
// lost delays a message until consumers look by themselves.
type bell struct {
	broker *broker

	mu      sync.Mutex
	waiting map[string]bool
	closed  bool
	rung    chan struct{}
	done    chan struct{}
}

func newBell(b *broker) *bell {
	l := &bell{broker: b, waiting: map[string]bool{}, rung: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// ring does not wait.
func (l *bell) ring(queues ...string) {
	if len(queues) == 0 {
		return
	}
	l.mu.Lock()
	for _, q := range queues {
		l.waiting[q] = true
	}
	l.mu.Unlock()
	feed.Signal(l.rung)
}

// close returns once the last rings have been heard, or failed.
func (l *bell) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	feed.Signal(l.rung)
	<-l.done
}

func (l *bell) run() {
	defer close(l.done)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for range l.rung {
		l.mu.Lock()
		queues := make([]string, 0, len(l.waiting))
		for q := range l.waiting {
			queues = append(queues, q)
		}
		clear(l.waiting)
		closed := l.closed
		l.mu.Unlock()
		if len(queues) > 0 {
			l.notify(queues)
		}
		if closed {
			return
		}
		<-pause.C
		pause.Reset(between)
	}
}

func (l *bell) notify(queues []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = l.broker.with(ctx, func(c *pgxpool.Conn) error { // consumers look by themselves, too
		_, err := c.Exec(ctx, `SELECT pg_notify('`+channel+`', queue) FROM unnest($1::text[]) AS q (queue)`, queues)
		return err
	})
}
