package couchdb

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A census counts queues by the revisions of what is in them. It reads the names of a queue's messages once, and follows
// the feed of changes while it is asked again and again.
type census struct {
	link *link

	mu     sync.Mutex
	since  string
	asked  time.Time
	queues map[string]map[string]string // revisions, by name of the document, by how that begins
}

// fresh is how old a census may be that is brought up to date, and not begun anew.
const fresh = 10 * time.Second

func newCensus(l *link) *census { return &census{link: l} }

// count tells how many messages of a queue are ready, and how many are held.
func (c *census) count(queue string) (ready, unacked int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begin := of(queue)
	if err := c.refresh(begin); err != nil {
		c.queues = nil
		return 0, 0, err
	}
	now := c.link.clock.time().UnixMicro()
	for id, rev := range c.queues[begin] {
		switch p, ok := placeOf(id); {
		case !ok:
		case isHeld(rev):
			unacked++
		case p.due <= now:
			ready++
		}
	}
	return ready, unacked, nil
}

func (c *census) refresh(begin string) (err error) {
	if c.queues == nil || time.Since(c.asked) > fresh {
		c.queues = map[string]map[string]string{}
		if c.since, err = c.link.sequence(context.Background()); err != nil {
			return err
		}
	}
	if c.queues[begin] == nil {
		revs := map[string]string{}
		if err := c.link.each(begin, func(r row) { revs[r.id] = r.rev }); err != nil {
			return err
		}
		c.queues[begin] = revs
	}
	for more := true; more; {
		var told news
		err := c.link.do(context.Background(), func(ctx context.Context) (err error) {
			told, err = c.link.changes(ctx, c.since, false, 5*stock)
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range told.rows {
			c.note(r)
		}
		c.since, c.asked, more = told.last, time.Now(), told.more
	}
	return nil
}

func (c *census) note(r row) {
	p, ok := placeOf(r.id)
	revs := c.queues[p.queue]
	switch {
	case !ok || revs == nil:
	case r.deleted:
		delete(revs, r.id)
	case generation(r.rev) > generation(revs[r.id]):
		revs[r.id] = r.rev
	}
}

// each tells all names of a queue that are there.
func (l *link) each(begin string, tell func(row)) error {
	for after := begin; ; {
		rows, err := l.list(context.Background(), l.messages, after, begin+"~", stock)
		if err != nil {
			return err
		}
		for _, r := range rows {
			tell(r)
			after = r.id
		}
		if len(rows) < stock {
			return nil
		}
	}
}

// purge removes what is ready in a queue.
func (l *link) purge(queue string) (removed int, err error) {
	now := l.clock.time().UnixMicro()
	var docs []document
	err = l.each(of(queue), func(r row) {
		if p, ok := placeOf(r.id); ok && !isHeld(r.rev) && p.due <= now {
			docs = append(docs, document{ID: r.id, Rev: r.rev, Deleted: true})
		}
	})
	if err != nil {
		return 0, err
	}
	_, errs := l.store(docs)
	for _, failed := range errs {
		switch {
		case failed == nil:
			removed++
		case !errors.Is(failed, errConflict): // a consumer may well be faster
			err = failed
		}
	}
	l.tidy(removed)
	return removed, err
}
