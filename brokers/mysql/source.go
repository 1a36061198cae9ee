package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// claimBound is for large claims: a dead link is noticed sooner, by the consumer's own connection.
const claimBound = time.Minute

// A source feeds the messages that one subscription claims to its consumer.
type source struct {
	*feed.Intake
	consumer *consumer
	queues   []string
	turn     int // the queue that is claimed from first next time
	gulp     feed.Gulp
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	return &source{Intake: feed.NewIntake(prefetch, c.Lost()), consumer: c, queues: slices.Clone(queues)}
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	if err := s.Run(s.claimSome, lease, nil); err != nil {
		s.consumer.Lose(fmt.Errorf("take messages from %q: %w", s.queues, err))
	}
}

// claimSome takes at most so many messages: of each queue in turn, beginning with another one each time, so that none
// waits behind the backlog of another.
func (s *source) claimSome(ctx context.Context, room int) (got int, err error) {
	queues, err := s.filled(ctx)
	if err != nil {
		return 0, err
	}
	most := min(room, s.gulp.Most())
	var rows []feed.Claimed
	full := false
	defer func() { s.keep(rows, full) }() // what one queue gave is held whatever the next one says
	for i, q := range queues {
		fair := max(1, (most-len(rows))/(len(queues)-i))
		if len(rows) == most {
			full = true
			break
		}
		found, err := s.consumer.claim(ctx, q, fair)
		if errors.Is(err, errLapsed) {
			s.consumer.Lose(err) // there is no use in trying again
		}
		if err != nil {
			return len(rows), err
		}
		full = full || len(found) == fair
		rows = append(rows, found...)
	}
	return len(rows), nil
}

// filled are the queues that are worth a claim, beginning with another one each time.
func (s *source) filled(ctx context.Context) ([]string, error) {
	if len(s.queues) == 1 {
		return s.queues, nil
	}
	s.turn = (s.turn + 1) % len(s.queues)
	inTurn := append(slices.Clone(s.queues[s.turn:]), s.queues[:s.turn]...)
	var queues []string
	for part := range slices.Chunk(inTurn, atOnce) {
		places, err := s.consumer.filled(ctx, part)
		if err != nil {
			return nil, err
		}
		slices.Sort(places)
		for _, i := range places {
			queues = append(queues, part[i])
		}
	}
	return queues, nil
}

// keep hands claimed messages on, and adapts to their size.
func (s *source) keep(rows []feed.Claimed, full bool) {
	size := 0
	for _, r := range rows {
		size += len(r.Envelope)
	}
	s.gulp.Learn(len(rows), size)
	s.Hold(rows, full)
	if len(rows) > 0 {
		s.consumer.busy()
	}
}

// claim takes at most so many messages of a queue, the most urgent and oldest first. What others are claiming is left to
// them. The consumer's row is locked against removal meanwhile.
func (c *consumer) claim(ctx context.Context, queue string, most int) (rows []feed.Claimed, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimBound)
	defer cancel()
	err = c.broker.with(ctx, func(conn *sql.Conn) error {
		rows = nil
		return transact(ctx, conn, func() (err error) {
			if rows, err = c.lock(ctx, conn, queue, most); err != nil || len(rows) == 0 {
				return err
			}
			ids := make([]int64, len(rows))
			for i, r := range rows {
				ids[i] = r.ID
			}
			_, err = conn.ExecContext(ctx, `UPDATE taskbench_message SET owner = ?, handed = handed + 1 WHERE id IN `+list(len(ids)), args(c.owner, ids)...)
			return err
		})
	})
	return rows, err
}

// lock begins a transaction and locks what is to be claimed, in one exchange.
func (c *consumer) lock(ctx context.Context, conn *sql.Conn, queue string, most int) ([]feed.Claimed, error) {
	found, err := conn.QueryContext(ctx, `START TRANSACTION; SELECT id FROM taskbench_consumer WHERE id = ? LOCK IN SHARE MODE;
SELECT id, handed, envelope FROM taskbench_message FORCE INDEX (ready)
WHERE queue = ? AND owner = 0 AND (expires IS NULL OR expires > UTC_TIMESTAMP(6))
ORDER BY urgency, id LIMIT ? FOR UPDATE SKIP LOCKED`, c.owner, []byte(queue), most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }() // what it would say, Err says too
	alive := false
	var rows []feed.Claimed
	for more := true; more; more = found.NextResultSet() {
		columns, err := found.Columns()
		if err != nil {
			return nil, err
		}
		for found.Next() {
			if len(columns) == 1 {
				alive = true
				continue
			}
			r := feed.Claimed{Queue: queue}
			if err := found.Scan(&r.ID, &r.Handed, &r.Envelope); err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	if !alive {
		return nil, errLapsed
	}
	return rows, nil
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	for _, r := range s.Intake.Take() {
		m, err := envelope.Decode(r.Envelope)
		if err != nil {
			m = brokers.Message{Body: r.Envelope} // a foreign row: the receiver shall see it and reject it
		}
		m.Queue = r.Queue
		buf = append(buf, feed.Item{Tag: uint64(r.ID), Message: m, Redelivered: r.Handed > 0, Deliveries: r.Handed + 1})
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if err := s.Intake.SetPrefetch(n); err != nil {
		return err
	}
	return s.consumer.Cause()
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	rest, spent := s.Intake.End(patience)
	if spent {
		s.consumer.Remove(s)
	}
	unseen = append(unseen, rest...)
	if len(unseen) == 0 {
		return
	}
	back := make([]settlement, len(unseen))
	for i, tag := range unseen {
		back[i] = settlement{consumer: s.consumer, id: int64(tag), outcome: feed.Unseen}
	}
	var errs []error
	for i, err := range s.consumer.broker.settles.DoAll(context.Background(), back) {
		if errors.Is(err, brokers.ErrClosed) {
			continue // closing gives all back
		}
		s.settled(back[i].id, feed.Unseen, err)
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.Lose(fmt.Errorf("give back %d messages: %w", len(errs), errs[0]))
	}
}

// ask is the statement that tells which of so many queues have something ready, by their places.
func ask(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "(SELECT %d FROM taskbench_message WHERE queue = ? AND owner = 0 AND (expires IS NULL OR expires > UTC_TIMESTAMP(6)) LIMIT 1)", i)
	}
	return b.String()
}
