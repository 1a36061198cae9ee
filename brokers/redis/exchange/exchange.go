// Package exchange is Celery's exchanges in Redis as kombu has them, for lasting queues of any layout.
package exchange

import (
	"context"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// A Layout is how lasting queues are kept where they are not kombu's lists.
type Layout interface {
	// Bindings is the key of the set of an exchange's lasting queues.
	Bindings(exchange string) string

	// Put returns the command that stores a message in a queue. A message that cannot be encoded is a Definite error.
	Put(ctx context.Context, queue string, m brokers.Message) (goredis.Cmder, error)
}

// Exchanges implements brokers.Exchanger. What Subscribe takes from is always kombu's, so that Celery's clients get the
// answers that they wait for.
type Exchanges struct {
	link   *link.Link
	layout Layout

	patterns  sync.Map       // of topic exchanges, compiled
	ended     chan struct{}  // closed by End
	listeners sync.WaitGroup // what Subscribe started

	mu sync.Mutex // for who enters while others end
}

// New returns exchanges over a link. A layout of nil is kombu's own.
func New(l *link.Link, layout Layout) *Exchanges {
	return &Exchanges{link: l, layout: layout, ended: make(chan struct{})}
}

// End makes every subscription end, and every later call an error. It is called once.
func (x *Exchanges) End() {
	x.mu.Lock()
	defer x.mu.Unlock()
	close(x.ended)
}

// Wait returns, after End, once all subscriptions have ended.
func (x *Exchanges) Wait() { x.listeners.Wait() }

func (x *Exchanges) isEnded() bool {
	select {
	case <-x.ended:
		return true
	default:
		return false
	}
}

// enter makes Wait wait for a listener, which calls listeners.Done at its end.
func (x *Exchanges) enter() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.isEnded() {
		return brokers.ErrClosed
	}
	x.listeners.Add(1)
	return nil
}
