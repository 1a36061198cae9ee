package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"taskbench/brokers"
)

// checkpoint is how many pages the log may grow before a commit copies it into the database.
const checkpoint = "4000"

// connections is how many a broker opens at most: the writer's, the watcher's, and the readers'.
const connections = 8

// schemaVersion 2 has added the table of what is delayed.
const schemaVersion = 2

// The partial indexes hold what is ready apart from what is held, so that a claim looks at neither the held nor the
// other queues, and a lapsed lease not at the backlog.
const schema = `
CREATE TABLE IF NOT EXISTS consumer (
	id    INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
	name  TEXT NOT NULL,                     -- for people who look
	lease INTEGER NOT NULL                   -- until, in milliseconds of Unix time
);
CREATE TABLE IF NOT EXISTS message (
	id       INTEGER PRIMARY KEY,
	queue    TEXT NOT NULL,
	priority INTEGER NOT NULL,
	envelope BLOB NOT NULL,
	expires  INTEGER,                    -- in milliseconds of Unix time; NULL is never
	handed   INTEGER NOT NULL DEFAULT 0, -- how often it was handed out
	owner    INTEGER                     -- the consumer that holds it; NULL is ready
);
CREATE TABLE IF NOT EXISTS delayed ( -- a message that is not ready yet
	id       INTEGER PRIMARY KEY,
	due      INTEGER NOT NULL, -- in milliseconds of Unix time
	queue    TEXT NOT NULL,
	priority INTEGER NOT NULL,
	envelope BLOB NOT NULL,
	expires  INTEGER
);
CREATE INDEX IF NOT EXISTS due ON delayed (due, id);
CREATE INDEX IF NOT EXISTS ready ON message (queue, priority DESC, id) WHERE owner IS NULL;
CREATE INDEX IF NOT EXISTS held ON message (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS expiring ON message (expires) WHERE expires IS NOT NULL;
`

// connect makes a pool of connections to the file; nothing is opened yet.
func connect(file string, v brokers.Variant, more url.Values) (*sql.DB, error) {
	options := url.Values{"_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(" + v.Settings["synchronous"] + ")",
		"wal_autocheckpoint(" + checkpoint + ")",
	}}
	for name, values := range more {
		options[name] = append(options[name], values...)
	}
	dsn := url.URL{Scheme: "file", Path: file, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // opening one costs more than any query
	return db, nil
}

// openDatabase opens the file, and makes it and its tables when they are not there.
func openDatabase(ctx context.Context, file string, v brokers.Variant) (*sql.DB, error) {
	db, err := connect(file, v, nil)
	if err != nil {
		return nil, err
	}
	if err := create(ctx, db); err != nil {
		_ = db.Close() // the first error says more
		return nil, explain(err, file)
	}
	return db, nil
}

func create(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0, 1: // a new file, or one from before: what is missing is made
	default:
		return fmt.Errorf("the file has tables of version %d, and only %d is known: it is not ours, or of a newer program",
			version, schemaVersion)
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT", schema, schemaVersion))
	return err
}
