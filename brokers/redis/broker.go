package redis

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher, Exchanger and Delayer.
type broker struct {
	rdb       *goredis.Client
	set       settings
	db        int
	publishes *group.Group[parcel]
	settles   *group.Group[settlement]
	delays    *group.Group[delayed]

	bound sync.Map // queues whose binding was written over this connection
	full  sync.Map // queues so long that nobody can be waiting for a message

	patterns  sync.Map       // of topic exchanges, compiled
	ended     chan struct{}  // closed by Close
	listeners sync.WaitGroup // what Subscribe started

	mu     sync.Mutex
	closed bool
	subs   map[*subscription]struct{}
}

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	o, set, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	b := &broker{rdb: goredis.NewClient(o), set: set, db: o.DB, subs: map[*subscription]struct{}{}, ended: make(chan struct{})}
	if err := brokers.Within(ctx, func() error { return b.teach(ctx) }); err != nil {
		_ = b.rdb.Close()
		return nil, judgef(err, "open redis at %s", o.Addr)
	}
	b.publishes = group.New(b.sendPublishes)
	b.settles = group.New(b.sendSettlements)
	b.delays = group.New(b.sendDelays)
	return b, nil
}

// Close gives back what is held, then drops the connections.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.ended)
	subs := make([]*subscription, 0, len(b.subs))
	for s := range b.subs {
		subs = append(subs, s)
	}
	b.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		b.publishes.Close()
		b.settles.Close()
		b.delays.Close()
		for _, s := range subs {
			s.close()
		}
		b.listeners.Wait()
	}()
	select {
	case <-done:
	case <-time.After(farewell): // a dead link: what is held goes back when the leases end
	}
	_ = b.rdb.Close() // its only error is to be closed already; it fails what is under way
	<-done
	return nil
}

// farewell is how long Close waits for the server to take back what is held.
const farewell = 2 * time.Second

func (b *broker) enlist(s *subscription) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return brokers.ErrClosed
	}
	b.subs[s] = struct{}{}
	return nil
}

func (b *broker) dismiss(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, s)
}

func (b *broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
