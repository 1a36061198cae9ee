package redis

import (
	"context"
	_ "embed" // of the scripts
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/worker/result"
)

//go:embed lua/store.lua
var storeText string

var storeScript = goredis.NewScript(storeText)

// Acts is what a Redis broker's wire has besides when results are kept in the same server, each record by a command of its own.
func Acts() map[string]brokers.Act {
	return map[string]brokers.Act{"evalsha " + storeScript.Hash(): {Does: brokers.Stores}}
}

// A write is one document on its way.
type write struct {
	key  string
	doc  []byte
	life int64 // milliseconds; 0: for ever
}

type wish struct {
	write
	outcome chan error
}

// A batcher stores in one exchange what many callers want stored at the same time: while one exchange is under way,
// the wishes of the next are collected.
type batcher struct {
	rdb  *goredis.Client
	done chan struct{}

	mu      sync.Mutex
	waiting []wish
	closed  bool
	more    chan struct{}
}

func newBatcher(rdb *goredis.Client) *batcher {
	b := &batcher{rdb: rdb, done: make(chan struct{}), more: make(chan struct{}, 1)}
	go b.run()
	return b
}

// do returns the outcome. When ctx ends first, the document may be stored all the same.
func (b *batcher) do(ctx context.Context, w write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	outcome := make(chan error, 1)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return result.ErrClosed
	}
	b.waiting = append(b.waiting, wish{w, outcome})
	b.wake()
	b.mu.Unlock()
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *batcher) wake() {
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// Bounds of one exchange: a large one delays all that wait for it.
const (
	mostWrites = 512
	mostBytes  = 4 << 20
)

// take cuts the next exchange off what waits, and tells whether more may come.
func (b *batcher) take() (batch []wish, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, size := 0, 0
	for n < len(b.waiting) && n < mostWrites && (n == 0 || size+len(b.waiting[n].doc) <= mostBytes) {
		size += len(b.waiting[n].doc)
		n++
	}
	batch = append(batch, b.waiting[:n]...)
	rest := copy(b.waiting, b.waiting[n:])
	clear(b.waiting[rest:])
	if b.waiting = b.waiting[:rest]; rest > 0 {
		b.wake()
	}
	return batch, !b.closed || rest > 0
}

func (b *batcher) run() {
	defer close(b.done)
	for range b.more {
		batch, open := b.take()
		if len(batch) > 0 {
			b.send(batch)
		}
		if !open {
			return
		}
	}
}

// send does not end with any caller's context, since others wait for the same exchange; the driver bounds it.
func (b *batcher) send(batch []wish) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	errs := b.pipeline(ctx, batch)
	var unknown []int
	for i, err := range errs {
		if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 && storeScript.Load(ctx, b.rdb).Err() == nil {
		again := make([]wish, len(unknown))
		for i, n := range unknown {
			again[i] = batch[n]
		}
		for i, err := range b.pipeline(ctx, again) {
			errs[unknown[i]] = err
		}
	}
	for i, w := range batch {
		w.outcome <- errs[i]
	}
}

func (b *batcher) pipeline(ctx context.Context, batch []wish) []error {
	p := b.rdb.Pipeline()
	for _, w := range batch {
		storeScript.EvalSha(ctx, p, []string{w.key}, w.doc, w.life)
	}
	answers, err := p.Exec(ctx)
	errs := make([]error, len(batch))
	for i := range errs {
		if i < len(answers) {
			errs[i] = answers[i].Err()
		} else {
			errs[i] = err
		}
	}
	return errs
}

// close lets what waits be stored. It returns within a few seconds.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.wake()
	b.mu.Unlock()
	select {
	case <-b.done:
	case <-time.After(patience):
	}
}
