package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

const (
	lease      = 5 * time.Second
	renewEvery = 1500 * time.Millisecond
	sweepEvery = 500 * time.Millisecond
)

// A consumer is the row that says that a broker's process is alive. Its sources' messages belong to it.
type consumer struct {
	*feed.Set[*source] // lost when the row is given up or gone

	broker *broker
	id     int64
}

var errLapsed = brokers.Refusef("the lease ran out, because this process stood still or could not write for %v: "+
	"what it held has been given to others", lease)

func newConsumer(ctx context.Context, b *broker) (*consumer, error) {
	c := &consumer{Set: feed.NewSet[*source](), broker: b}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it is only for people who look
	}
	err = b.out.do(ctx, func(s *statements) error {
		r, err := s.exec(`INSERT INTO consumer (name, lease) VALUES (?, ?)`, fmt.Sprintf("pid %d on %s", os.Getpid(), host), until())
		if err == nil {
			c.id, err = r.LastInsertId()
		}
		return err
	}, nil)
	return c, err
}

func (c *consumer) start() {
	c.broker.tasks.Go(c.keep)
	c.broker.tasks.Go(c.watch)
}

func until() int64 { return time.Now().Add(lease).UnixMilli() }

// changed tells the sources that there may be something to claim.
func (c *consumer) changed() {
	for s := range c.All() {
		s.Poke(true)
	}
}

// giveUp returns all that is held, and the row.
func (c *consumer) giveUp() error {
	return c.broker.out.do(context.Background(), func(s *statements) error {
		return release(s, `id = ?`, c.id)
	}, nil)
}

// release gives back what the consumers that the condition names hold, and removes them.
func release(s *statements, condition string, arg any) error {
	_, err := s.exec(`UPDATE message SET owner = NULL WHERE owner IN (SELECT id FROM consumer WHERE `+condition+`)`, arg)
	if err == nil {
		_, err = s.exec(`DELETE FROM consumer WHERE `+condition, arg)
	}
	return err
}

// keep renews the lease, and gives back what lapsed consumers of other processes hold.
func (c *consumer) keep() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	renewed := time.Now()
	for {
		select {
		case <-t.C:
		case <-c.Lost():
			return
		}
		if time.Since(renewed) >= renewEvery {
			began := time.Now()
			switch err := c.renew(); {
			case errors.Is(err, errLapsed):
				c.Lose(err)
				return
			case err == nil:
				renewed = began
			}
		}
		c.sweep()
	}
}

// renew also finds out whether the row is still there.
func (c *consumer) renew() error {
	return c.broker.out.do(context.Background(), func(s *statements) error {
		r, err := s.exec(`UPDATE consumer SET lease = ? WHERE id = ?`, until(), c.id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return errLapsed
	}, nil)
}

// sweep gives back what lapsed consumers hold, deletes what has expired, and makes ready what is due. It writes only if there is something to
// write; what goes wrong will go right, or be told, at another time.
func (c *consumer) sweep() {
	var due bool
	var ripe int64
	now := time.Now().UnixMilli()
	err := c.broker.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM consumer WHERE lease < ?1 AND id <> ?2)
		OR EXISTS (SELECT 1 FROM message WHERE expires < ?1 AND owner IS NULL)
		OR EXISTS (SELECT 1 FROM delayed WHERE due <= ?1)`, now, c.id).Scan(&due)
	if err != nil || !due {
		return
	}
	err = c.broker.out.do(context.Background(), func(s *statements) (err error) {
		if ripe, err = ripen(s, now); err != nil {
			return err
		}
		if _, err := s.exec(`DELETE FROM message WHERE expires < ? AND owner IS NULL`, now); err != nil {
			return err
		}
		return release(s, `lease < ?`, now)
	}, nil)
	if err == nil {
		c.changed()
	}
	if err == nil && ripe == ripenAtOnce {
		c.sweep() // there may be more
	}
}
