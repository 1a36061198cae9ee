// Package table is a broker on the tables of Celery's SQLAlchemy transport (kombu_queue and kombu_message), for databases
// that database/sql reaches: what differs between them is a Dialect.
//
// # How a message lives and dies
//
// It does as with kombu: a message is a row that is out of sight from the moment it is fetched, durably, and what a
// consumer held when it died, or lost its link, stays there. That is at most once. Celery leaves all that it has
// done in that state for ever; what is fetched here is deleted by its ack. Nack and Close give back what is held, in its
// place. Rejected messages go to brokers.DeadLetterQueue of their queue.
//
// The order is kombu's: by the time of the last fetch, which most rows do not have, and then by number. Priorities and
// expirations are carried and change nothing. Since a held message looks like one that is done, they cannot be counted.
//
// A delayed message is a row of taskbench_kombu_delayed, which Celery does not look at. Whoever consumes looks once a
// second for what is due by the database's clock; where nobody consumes, it stays where it is.
//
// Nobody is told of a new row: every subscription looks, at a feed.Pace. What the same broker publishes or gives back
// wakes it at once. Exchanges with bindings are a process's own in kombu, and are not there.
package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"taskbench/brokers"
)

// LongestQueue is how many bytes the name of a queue may have: what kombu's column takes, for the longer name of its dead
// letters.
const LongestQueue = 195

// Promises is what brokers on these tables keep.
func Promises() []brokers.Promise {
	return []brokers.Promise{
		brokers.Confirms, brokers.SurvivesKill, brokers.FIFO, brokers.DeadLetters, brokers.Counts, brokers.Purges, brokers.Delays,
	}
}

// A Base is a database whose tables are there.
type Base struct {
	Name    string  // of broker and place, as errors have it: "mysql at 127.0.0.1:3306"
	DB      *sql.DB // its transactions see what is committed when they begin or later; the broker closes it
	Dialect Dialect
	Largest int  // bytes of a payload at most
	Alone   bool // one writer at a time is all that the database bears

	// Judge makes Definite what the database refused or was never asked, and says what to do.
	Judge func(error) error
	// Again tells whether a transaction was undone in favour of another, so that it may be tried once more.
	Again func(error) bool
}

// A Dialect is how a database says what the statements here need.
type Dialect struct {
	QueueID, MessageID string // the number of a new row; "" where its column makes it
	Messages           string // the table of messages, with what makes the planner use an index of (queue_id, visible, timestamp, id)
	Lock               string // ends a SELECT of rows that nobody else is to claim meanwhile
	Now                string // the local time
	Clock              string // milliseconds of Unix time
}

// patience bounds every small exchange with the database; large ones may take a second more for every pace of bytes.
const (
	patience = 4 * time.Second
	pace     = 1 << 20
)

func bounded(ctx context.Context, size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience+time.Duration(size/pace)*time.Second)
}

// fits checks what the database would refuse, together with all else of its batch.
func (b *Base) fits(queue string, payload []byte) error {
	switch {
	case len(queue) > LongestQueue:
		return brokers.Refusef("the name of the queue has %d bytes, and %d is the most", len(queue), LongestQueue)
	case !utf8.ValidString(queue) || strings.Contains(queue, "\x00"):
		return brokers.Refusef("the name of the queue %q is not text that a table can hold", queue)
	case len(payload) > b.Largest:
		return brokers.Refusef("message of %d bytes is larger than %d, which is what column payload of kombu_message takes", len(payload), b.Largest)
	}
	return nil
}

// exec carries out one statement that is a transaction by itself.
func (b *Broker) exec(ctx context.Context, query string, values ...any) (r sql.Result, err error) {
	defer b.alone()()
	for {
		r, err = b.base.DB.ExecContext(ctx, query, values...)
		if !b.base.Again(err) || ctx.Err() != nil {
			return r, b.base.Judge(err)
		}
	}
}

// transact carries out f in a transaction. Only the commit leaves an outcome that nobody knows.
func (b *Broker) transact(ctx context.Context, f func(tx *sql.Tx) error) error {
	defer b.alone()()
	for {
		err := b.try(ctx, f)
		if !b.base.Again(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (b *Broker) try(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := b.base.DB.BeginTx(ctx, nil)
	if err != nil {
		return brokers.Refuse(b.base.Judge(err))
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // a link that cannot even do that ends, and the transaction with it
		return brokers.Refuse(b.base.Judge(err))
	}
	return b.base.Judge(tx.Commit())
}

// alone waits for the turn to write, where there is only one at a time, and returns what ends it.
func (b *Broker) alone() (done func()) {
	if !b.base.Alone {
		return func() {}
	}
	b.turn.Lock()
	return b.turn.Unlock
}

// places is so many places for values.
func places(n int) string { return "(" + strings.Repeat("?, ", n-1) + "?)" }

func values(ids []int64) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}

// number gives the ids of queues, which are made known where they are not. Kombu never forgets one.
func (b *Broker) number(ctx context.Context, names []string) (ids []int64, err error) {
	for _, name := range names {
		id, err := b.queue(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("declare queue %s: %w", name, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (b *Broker) queue(ctx context.Context, name string) (int64, error) {
	b.mu.Lock()
	id, known := b.ids[name]
	b.mu.Unlock()
	if known {
		return id, nil
	}
	find := func() error {
		return b.base.DB.QueryRowContext(ctx, `SELECT id FROM kombu_queue WHERE name = ?`, name).Scan(&id)
	}
	err := find()
	if errors.Is(err, sql.ErrNoRows) {
		columns, row := "name", "?"
		if next := b.base.Dialect.QueueID; next != "" {
			columns, row = "id, name", next+", ?"
		}
		_, refused := b.exec(ctx, `INSERT INTO kombu_queue (`+columns+`) VALUES (`+row+`)`, name)
		if err = find(); err != nil && refused != nil { // if it is there now, somebody else was faster
			return 0, refused
		}
	}
	if err != nil {
		return 0, brokers.Refuse(b.base.Judge(err)) // a queue without messages does no harm
	}
	b.mu.Lock()
	b.ids[name] = id
	b.mu.Unlock()
	return id, nil
}

// forget has the ids asked for again: a database may have been made anew.
func (b *Broker) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.ids)
}

// inChunks calls f with at most so many ids at once, in rising order so that all lock in one order.
func inChunks(ids []int64, f func(part []int64) error) error {
	slices.Sort(ids)
	for part := range slices.Chunk(ids, atOnce) {
		if err := f(part); err != nil {
			return err
		}
	}
	return nil
}

// atOnce bounds what one statement is about.
const atOnce = 500
