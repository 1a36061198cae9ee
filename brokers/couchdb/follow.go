package couchdb

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	breath  = 15 * time.Millisecond // between looks at the feed at least, so that more comes by each: one costs a server milliseconds
	longest = 10 * time.Second      // how long one question is waited on: who was forgotten asks again
	leisure = 50 * time.Millisecond // the same while there is enough to claim
)

// follow keeps the index up to date: it reads what names are missing in it, and follows the feed of changes. It does the one
// or the other, and begins with a point of the feed from before all reading: so nothing can be missed in between.
func (h *holder) follow(since string) {
	for {
		p, short := h.index.short()
		if short {
			rows, err := h.link.list(context.Background(), h.link.messages, p.after, p.end, stock)
			if err != nil {
				h.lose(fmt.Errorf("read the names of what waits in couchdb: %w", err))
				return
			}
			h.index.learn(p, rows, len(rows) < stock)
		} else {
			told, err := h.listen(since)
			switch {
			case errors.Is(err, context.Canceled):
			case err != nil:
				h.lose(fmt.Errorf("follow the changes in couchdb: %w", err))
				return
			default:
				since = told.last
				h.index.note(told.rows...)
				if !told.more {
					h.pause()
				}
			}
		}
		select {
		case <-h.lost:
			return
		default:
		}
	}
}

// listen waits for changes; it is Canceled when there is something else to do, or it is time to ask anew.
func (h *holder) listen(since string) (news, error) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	defer func() { // a stir that comes later is for the next call
		cancel()
		<-over
	}()
	go func() {
		defer close(over)
		limit := time.NewTimer(longest)
		defer limit.Stop()
		select {
		case <-limit.C:
		case <-h.stir:
		case <-h.lost:
		case <-ctx.Done():
		}
		cancel()
	}()
	told, err := h.link.changes(ctx, since, true, stock)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return told, err
}

// pause lets changes gather.
func (h *holder) pause() {
	wait := func(d time.Duration, hungry <-chan struct{}) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-hungry:
		case <-h.lost:
		}
	}
	wait(breath, nil)
	if !h.index.wanting() {
		wait(leisure, h.hungry)
	}
}
