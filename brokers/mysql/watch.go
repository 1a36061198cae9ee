package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers/feed"
)

// How long the look-out waits between two looks: at first; at most, by how long ago the last message came.
const (
	firstLook = 2 * time.Millisecond
	busyLook  = 5 * time.Millisecond
	calmLook  = 25 * time.Millisecond
	idleLook  = 250 * time.Millisecond
	trickle   = 500 * time.Millisecond
	idleAfter = 3 * time.Second
)

func longestLook(since time.Duration) time.Duration {
	switch {
	case since < trickle:
		return busyLook
	case since < idleAfter:
		return calmLook
	}
	return idleLook
}

// busy tells the look-out that messages are coming.
func (c *consumer) busy() { signal(c.stir) }

// watch asks for all sources that have nothing to do whether there is something to do.
func (c *consumer) watch() {
	ctx, cancel := feed.While(c.lost)
	defer cancel()
	var failing time.Time
	look, last := firstLook, time.Now()
	due := last.Add(look)
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.stir:
			look, last = firstLook, time.Now()
			if time.Until(due) > look { // and is not put off by messages for others
				due = last.Add(look)
				timer.Reset(look)
			}
			continue
		case <-c.lost:
			return
		}
		found, err := c.look(ctx)
		switch {
		case err == nil:
			failing = time.Time{}
		case failing.IsZero(): // it may be refused now and not a moment later
			failing = time.Now()
		case time.Since(failing) > lease:
			c.lose(fmt.Errorf("look for messages in mysql at %s: %w", c.broker.addr, err))
			return
		}
		if found {
			look, last = firstLook, time.Now()
		}
		due = time.Now().Add(look)
		timer.Reset(look)
		look = min(2*look, longestLook(time.Since(last)))
	}
}

// look pokes the sources whose queues have something, and tells whether any had.
func (c *consumer) look(ctx context.Context) (bool, error) {
	var hungry []*source
	var queues []string
	c.mu.Lock()
	for s := range c.sources {
		if s.hungry() {
			hungry, queues = append(hungry, s), append(queues, s.queues...)
		}
	}
	c.mu.Unlock()
	slices.Sort(queues)
	queues = slices.Compact(queues)
	filled := map[string]bool{}
	for part := range slices.Chunk(queues, atOnce) {
		places, err := c.filled(ctx, part)
		if err != nil {
			return false, err
		}
		for _, i := range places {
			filled[part[i]] = true
		}
	}
	for _, s := range hungry {
		if slices.ContainsFunc(s.queues, func(q string) bool { return filled[q] }) {
			s.poke(true)
		}
	}
	return len(filled) > 0, nil
}

func (c *consumer) filled(ctx context.Context, queues []string) (places []int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimBound)
	defer cancel()
	values := make([]any, len(queues))
	for i, q := range queues {
		values[i] = []byte(q)
	}
	err = c.broker.with(ctx, func(conn *sql.Conn) (err error) {
		places, err = numbers(ctx, conn, ask(len(queues)), values...)
		return err
	})
	return places, err
}
