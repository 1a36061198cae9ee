package mongodb

import (
	"sync"

	"taskbench/brokers/feed"
)

// neighbours are the subscriptions of this process, which its own publishers need not leave to find out by themselves.
var neighbours = &switchboard{subs: map[string]map[*subscription]struct{}{}}

// A switchboard knows subscriptions by server, database and queue.
type switchboard struct {
	mu   sync.Mutex
	subs map[string]map[*subscription]struct{}
}

func (w *switchboard) join(place string, s *subscription) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range s.queues {
		key := place + q
		if w.subs[key] == nil {
			w.subs[key] = map[*subscription]struct{}{}
		}
		w.subs[key][s] = struct{}{}
	}
}

func (w *switchboard) leave(place string, s *subscription) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range s.queues {
		key := place + q
		if delete(w.subs[key], s); len(w.subs[key]) == 0 {
			delete(w.subs, key)
		}
	}
}

// wake has who takes from a queue look at it now.
func (w *switchboard) wake(place, queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.subs[place+queue] {
		feed.Signal(s.knock)
	}
}

// wake has the subscriptions of this process look at the queues of documents that wait from now on.
func (l *link) wake(docs []document) {
	woken := map[string]bool{}
	for _, d := range docs {
		if !woken[d.Queue] {
			woken[d.Queue] = true
			neighbours.wake(l.place(), d.Queue)
		}
	}
}
