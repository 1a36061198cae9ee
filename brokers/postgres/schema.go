package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers"
)

// prepare makes the tables where they are absent, and makes sure that they are what the statements take them for.
func prepare(ctx context.Context, conn *pgx.Conn, l *layout) error {
	var readOnly string
	if err := conn.QueryRow(ctx, `SELECT current_setting('transaction_read_only')`).Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return fmt.Errorf("transactions are read-only there; %s", advice["25006"])
	}
	if err := makeTables(ctx, conn, l); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	for _, statement := range l.statements() {
		d, err := conn.PgConn().Prepare(ctx, "", statement, nil)
		if err != nil {
			return fmt.Errorf("look at the tables: %w", err)
		}
		// Anything can be written to a column of text, and is not what it was when it is read.
		if n := len(d.Fields); statement == l.claim && d.Fields[n-1].DataTypeOID != l.payload {
			return fmt.Errorf("look at the tables: column %s has another type; %s", d.Fields[n-1].Name, advice["42"])
		}
	}
	return nil
}

// tablesLock is the number of an advisory lock, any that nobody else is likely to use.
const tablesLock = 7_461_736_267

func makeTables(ctx context.Context, conn *pgx.Conn, l *layout) error {
	if there, err := exist(ctx, conn, l); there || err != nil {
		return err
	}
	// Two who make the same tables at once would get in each other's way, and in that of who uses them already. The lock is
	// the session's, as a transaction would not see what was made while it waited for one.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, tablesLock); err != nil {
		return err
	}
	made := makeAbsent(ctx, conn, l)
	_, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, tablesLock)
	if made == nil {
		return err
	}
	if there, err := exist(ctx, conn, l); err == nil && there { // Celery made some of them meanwhile, without the lock
		return nil
	}
	return made
}

func makeAbsent(ctx context.Context, conn *pgx.Conn, l *layout) error {
	if there, err := exist(ctx, conn, l); there || err != nil {
		return err
	}
	_, err := conn.PgConn().Exec(ctx, l.tables).ReadAll() // all of it is one transaction
	return err
}

// exist tells whether all tables are there.
func exist(ctx context.Context, conn *pgx.Conn, l *layout) (all bool, err error) {
	err = conn.QueryRow(ctx, `SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS t (name)`, l.names).Scan(&all)
	return all, err
}

// fits checks a message's queue and payload: what the server would refuse must not take others of its batch with it.
func (l *layout) fits(queue string, payload []byte) error {
	switch {
	case len(queue) > l.longest:
		return brokers.Refusef("the name of the queue has %d bytes, and %d is the most", len(queue), l.longest)
	case !storable(queue):
		return brokers.Refusef("the name of the queue %q is not text that PostgreSQL can store", queue)
	case len(payload) > largest:
		return brokers.Refusef("message of %d bytes is larger than %d", len(payload), largest)
	}
	return nil
}
