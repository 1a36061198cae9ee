package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers/feed"
)

// busy tells the look-out that messages are coming.
func (c *consumer) busy() { feed.Signal(c.stir) }

// watch asks for all sources that have nothing to do whether there is something to do.
func (c *consumer) watch() {
	ctx, cancel := feed.While(c.Lost())
	defer cancel()
	var failing time.Time
	pace := feed.NewPace()
	wait := pace.Next()
	due := time.Now().Add(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.stir:
			pace.Busy()
			if wait = pace.Next(); time.Until(due) > wait { // and is not put off by messages for others
				due = time.Now().Add(wait)
				timer.Reset(wait)
			}
			continue
		case <-c.Lost():
			return
		}
		found, err := c.look(ctx)
		switch {
		case err == nil:
			failing = time.Time{}
		case failing.IsZero(): // it may be refused now and not a moment later
			failing = time.Now()
		case time.Since(failing) > lease:
			c.Lose(fmt.Errorf("look for messages in mysql at %s: %w", c.broker.addr, err))
			return
		}
		if found {
			pace.Busy()
		}
		wait = pace.Next()
		due = time.Now().Add(wait)
		timer.Reset(wait)
	}
}

// look pokes the sources whose queues have something, and tells whether any had.
func (c *consumer) look(ctx context.Context) (bool, error) {
	var hungry []*source
	var queues []string
	for s := range c.All() {
		if s.Hungry() {
			hungry, queues = append(hungry, s), append(queues, s.queues...)
		}
	}
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
			s.Poke(true)
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
