package ledger

import (
	"encoding/binary"
	"slices"
)

// tick is the resolution of kept times in nanoseconds: 2^48 of them are 52 days.
const tick = 16

// ticks is a time in units of tick; 0 is never.
type ticks [6]byte

func (t *ticks) get() int64 {
	return int64(uint64(binary.LittleEndian.Uint32(t[:4]))|uint64(binary.LittleEndian.Uint16(t[4:]))<<32) * tick
}

func (t *ticks) set(ns int64) {
	n := min(max(uint64(max(ns, 0))/tick, 0), 1<<48-1)
	binary.LittleEndian.PutUint32(t[:4], uint32(n))
	binary.LittleEndian.PutUint16(t[4:], uint16(n>>32))
}

// A record is one task with its first attempt, in 64 bytes: ten million tasks are 640 MB, and hold no pointer for
// the garbage collector to follow. An attempt whose task was told of its soft limit, which few are, has no room in it and
// lies in the overflow map. The publishing side (publish, due, pubStart, pubEnd) is written by publishers
// and the rest by the collector, at the same time: no byte is shared.
type record struct {
	id      uint64
	pid     uint32
	node    uint16
	flags   uint8
	publish uint8 // see terms.go

	due, pubStart, pubEnd                     ticks
	received, started, finished, acked, store ticks
}

// The flags of a record; the low three bits are the outcome of its attempt.
const (
	outcomeBits  = 7
	hasReturned  = 1 << 3
	hasMalformed = 1 << 4
	hasRunner    = 1 << 5 // see attempt.runner
	hasAttempt   = 1 << 6
	hasMore      = 1 << 7 // attempts are in the overflow map
)

func (r *record) attempt(a *attempt) bool {
	if r.flags&hasAttempt == 0 {
		return false
	}
	*a = attempt{
		Attempt: Attempt{
			ID: r.id, Received: r.received.get(), Started: r.started.get(), Finished: r.finished.get(),
			Acked: r.acked.get(), Stored: r.store.get(), Node: r.node, PID: r.pid,
			Outcome: Outcome(r.flags & outcomeBits), Returned: r.flags&hasReturned != 0, Malformed: r.flags&hasMalformed != 0,
		},
		runner: r.flags&hasRunner != 0,
	}
	return true
}

func (r *record) setAttempt(a *attempt) {
	r.id, r.pid, r.node = a.ID, a.PID, a.Node
	r.flags = r.flags&hasMore | hasAttempt | uint8(a.Outcome)&outcomeBits
	if a.Returned {
		r.flags |= hasReturned
	}
	if a.Malformed {
		r.flags |= hasMalformed
	}
	if a.runner {
		r.flags |= hasRunner
	}
	r.received.set(a.Received)
	r.started.set(a.Started)
	r.finished.set(a.Finished)
	r.acked.set(a.Acked)
	r.store.set(a.Stored)
}

// keep takes an attempt that is not kept yet, or returns the overflow with it: those come after the record's own.
func (r *record) keep(a *attempt, more []attempt) []attempt {
	if r.flags&(hasAttempt|hasMore) == 0 && a.Told == 0 {
		r.setAttempt(a)
		return more
	}
	r.flags |= hasMore
	return append(more, *a)
}

// evict puts the attempt that the record kept, as it is now, into the overflow.
func (r *record) evict(a *attempt, more []attempt) []attempt {
	r.setAttempt(&attempt{})
	r.flags = hasMore
	return slices.Insert(more, 0, *a)
}

// chunkTasks is how many records are allocated at a time, so that growth copies nothing.
const chunkTasks = 1 << 15

type records [chunkTasks]record
