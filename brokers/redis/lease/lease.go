// Package lease is the consuming half of every layout of keys in Redis: messages are claimed as slots become free, held
// under a lease that is renewed, and given back at the end.
package lease

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/feed"
)

// A Layout is how the messages of one consumer are kept. H is what it takes to settle one of them, beside its queue.
type Layout[H any] interface {
	// Claim is for up to want messages, whose tags will be those from first on: the urgent ones before others, and of one
	// priority those of the first queue before those of the next, or in turns.
	Claim(want int, first uint64, queues []string) Claim[H]

	// Return makes messages ready again, as they were before the claim: seen marks them as handed out. The latest come first.
	Return(held []Held[H], seen bool) []goredis.Cmder

	// Renewal renews the lease, and makes it at first. Its answer is the consumers whose leases have ended.
	Renewal(ctx context.Context) *goredis.Cmd

	// Restore gives back what the dead hold and, where old is set, what those who have no lease have held for too long.
	// What fails is left to the next time, or to another consumer.
	Restore(dead []string, old bool)

	// Retirement forgets the consumer, unless it still holds something.
	Retirement() *goredis.Cmd
}

// A Claim is one call of a layout's script.
type Claim[H any] struct {
	Cmd *goredis.Cmd

	// Read says what the answer of Cmd brought, and whether that was all that was wanted, so that there may be more.
	Read func(answer []any) (got []Message[H], full bool, err error)
}

// A Message is one that was claimed.
type Message[H any] struct {
	Queue  string
	Hold   H
	Unpack func() feed.Item // without its tag; called once, while more is claimed
}

// Held is a message that is not settled.
type Held[H any] struct {
	Tag   uint64
	Queue string
	Hold  H
}

// A Settlement is one outcome on its way to the server.
type Settlement[H any] struct {
	Held[H]
	By      *Holder[H]
	Outcome feed.Outcome
}
