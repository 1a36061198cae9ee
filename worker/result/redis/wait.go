package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/worker/result"
)

// Wait implements result.Backend.
func (b *Backend) Wait(ctx context.Context, id string) (result.Record, error) {
	w := b.hub.join(b.keys.Task(id))
	defer w.leave()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	ask := true // somebody else may have subscribed long ago
	for {
		if ask {
			r, err := b.Get(ctx, id)
			switch {
			case err == nil && r.State.Ready():
				return r, nil
			case ctx.Err() != nil:
				return result.Record{}, fmt.Errorf("wait for task %s: %w", id, ctx.Err())
			case err != nil && !temporary(err):
				return result.Record{}, err
			}
			ask = err != nil
		}
		select {
		case <-w.news:
			docs, again := w.take()
			ask = ask || again
			for _, doc := range docs {
				r, err := decode(id, []byte(doc))
				if err != nil {
					return result.Record{}, err
				}
				if r.State.Ready() {
					return r, nil
				}
			}
		case <-retry.C: // only of use where the last question failed
		case <-b.closed:
			return result.Record{}, fmt.Errorf("wait for task %s: %w", id, result.ErrClosed)
		case <-ctx.Done():
			return result.Record{}, fmt.Errorf("wait for task %s: %w", id, ctx.Err())
		}
	}
}

// A hub listens for all that wait, on one connection, which it makes at the first need.
type hub struct {
	rdb    *goredis.Client
	change chan struct{}
	ended  chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	sub     *goredis.PubSub // nil before the first waiter
	waiters map[string]map[*waiter]struct{}
	dirty   map[string]bool // channels whose waiters came or went
}

// A waiter is one Wait.
type waiter struct {
	hub     *hub
	channel string
	news    chan struct{}

	mu    sync.Mutex
	docs  []string
	again bool // the subscription was made, maybe anew: what was published before was not heard
}

func newHub(rdb *goredis.Client) *hub {
	return &hub{
		rdb: rdb, change: make(chan struct{}, 1), ended: make(chan struct{}),
		waiters: map[string]map[*waiter]struct{}{}, dirty: map[string]bool{},
	}
}

func (h *hub) join(channel string) *waiter {
	w := &waiter{hub: h, channel: channel, news: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiters[channel] == nil {
		h.waiters[channel] = map[*waiter]struct{}{}
	}
	h.waiters[channel][w] = struct{}{}
	h.touch(channel)
	if h.sub == nil && !h.closed {
		h.sub = h.rdb.Subscribe(context.Background()) // connects to nothing yet
		h.done.Go(h.subscribe)
		h.done.Go(h.listen)
	}
	return w
}

func (w *waiter) leave() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.waiters[w.channel], w)
	if len(w.hub.waiters[w.channel]) == 0 {
		delete(w.hub.waiters, w.channel)
	}
	w.hub.touch(w.channel)
}

// touch is called with the lock held.
func (h *hub) touch(channel string) {
	h.dirty[channel] = true
	signal(h.change)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// subscribe makes the server's list of channels follow that of the waiters, many at a time.
func (h *hub) subscribe() {
	ctx := context.Background() // every step is bounded by patience
	known := map[string]bool{}  // false: asked for in vain, and yet the driver asks for it again with each connection
	for {
		select {
		case <-h.change:
		case <-h.ended:
			return
		}
		var more, less []string
		h.mu.Lock()
		for channel := range h.dirty {
			wanted := len(h.waiters[channel]) > 0
			subscribed, asked := known[channel]
			switch {
			case wanted && !subscribed:
				more = append(more, channel)
			case !wanted && asked:
				less = append(less, channel)
			}
		}
		clear(h.dirty)
		h.mu.Unlock()
		if len(less) > 0 {
			_ = h.sub.Unsubscribe(ctx, less...) // a lost link forgets them anyway
			for _, channel := range less {
				delete(known, channel)
			}
		}
		failed := len(more) > 0 && h.sub.Subscribe(ctx, more...) != nil
		for _, channel := range more {
			known[channel] = !failed
		}
		if failed {
			h.later(more)
		}
	}
}

// later has channels that could not be subscribed tried again.
func (h *hub) later(channels []string) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-h.ended:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, channel := range channels {
		h.touch(channel)
	}
}

// listen hands on what is published. A subscription that is confirmed, also after the driver has connected anew,
// makes its waiters ask.
func (h *hub) listen() {
	for said := range h.sub.ChannelWithSubscriptions(goredis.WithChannelHealthCheckInterval(2 * time.Second)) {
		switch said := said.(type) {
		case *goredis.Subscription:
			if said.Kind == "subscribe" {
				h.tell(said.Channel, func(w *waiter) { w.again = true })
			}
		case *goredis.Message:
			h.tell(said.Channel, func(w *waiter) { w.docs = append(w.docs, said.Payload) })
		}
	}
}

func (h *hub) tell(channel string, note func(*waiter)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiters[channel] {
		w.mu.Lock()
		note(w)
		w.mu.Unlock()
		signal(w.news)
	}
}

func (w *waiter) take() (docs []string, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	docs, again = w.docs, w.again
	w.docs, w.again = nil, false
	return docs, again
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	close(h.ended)
	if h.sub != nil {
		_ = h.sub.Close() // which ends listen
	}
	h.mu.Unlock()
	h.done.Wait()
}
