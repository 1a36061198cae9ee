package sqlite

import (
	"context"
	"time"
)

const (
	watchEvery = 2 * time.Millisecond
	watchIdle  = 10 * time.Millisecond // when nothing has changed for
	idleAfter  = 250 * time.Millisecond
)

// watch tells the sources when any process has committed something. It asks for the change counter, which is read from
// shared memory and costs microseconds.
func (c *consumer) watch() {
	ctx := context.Background()
	conn, err := c.broker.db.Conn(ctx)
	if err != nil {
		c.Lose(explain(err, c.broker.file))
		return
	}
	defer conn.Close()
	version, err := conn.PrepareContext(ctx, "PRAGMA data_version")
	if err != nil {
		c.Lose(explain(err, c.broker.file))
		return
	}
	defer version.Close()
	t := time.NewTimer(0)
	defer t.Stop()
	last, changed := int64(-1), time.Now()
	for {
		select {
		case <-t.C:
		case <-c.Lost():
			return
		}
		var now int64
		if err := version.QueryRow().Scan(&now); err != nil && !busy(err) {
			c.Lose(explain(err, c.broker.file))
			return
		}
		if now != last {
			last, changed = now, time.Now()
			c.changed()
		}
		if time.Since(changed) > idleAfter {
			t.Reset(watchIdle)
		} else {
			t.Reset(watchEvery)
		}
	}
}
