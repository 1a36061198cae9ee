package worker

import "sync/atomic"

// Stats are a worker's counts since it was made, and its present state.
type Stats struct {
	Received     uint64 // messages handed over by the broker, of whatever kind
	Started      uint64 // attempts that were started
	Succeeded    uint64
	Failed       uint64 // attempts that ended with an error, a panic or at their time limit
	Retried      uint64 // attempts that asked for another
	Killed       uint64 // attempts whose pool child died, or that were given up at the end of a stop's grace
	Expired      uint64 // messages that came too late to be run
	Revoked      uint64 // messages that were not run, or attempts that were ended, on somebody's word
	Delayed      uint64 // messages that were moved to where the broker keeps them until they are due
	Malformed    uint64 // messages kept aside in the dead letter queue
	Returned     uint64 // messages given back to the broker
	Deduplicated uint64 // redelivered messages of finished attempts, acknowledged without running them again
	Reconnects   uint64 // connections that were lost or did not come about

	Connected bool
	InHand    int // attempts received and not settled, held ones included
	PoolSize  int
	Children  []int // process ids of the pool's children
}

type counters struct {
	received, started, succeeded, failed, retried, killed            atomic.Uint64
	expired, malformed, returned, deduplicated, reconnects, attempts atomic.Uint64
	revoked, parked                                                  atomic.Uint64
}

// Stats may be called at any time, before Run and after it too.
func (w *Worker) Stats() Stats {
	c := &w.counters
	s := Stats{
		Received:     c.received.Load(),
		Started:      c.started.Load(),
		Succeeded:    c.succeeded.Load(),
		Failed:       c.failed.Load(),
		Retried:      c.retried.Load(),
		Killed:       c.killed.Load(),
		Expired:      c.expired.Load(),
		Revoked:      c.revoked.Load(),
		Delayed:      c.parked.Load(),
		Malformed:    c.malformed.Load(),
		Returned:     c.returned.Load(),
		Deduplicated: c.deduplicated.Load(),
		Reconnects:   c.reconnects.Load(),
		Connected:    w.current.Load() != nil,
		InHand:       w.memory.inHand(),
		PoolSize:     w.config.Concurrency,
	}
	if p := w.pool.Load(); p != nil {
		s.PoolSize = (*p).Size()
		s.Children = (*p).PIDs()
	}
	return s
}
