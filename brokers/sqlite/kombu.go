package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	lib "modernc.org/sqlite/lib"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// kombuVariant differs in more than a setting.
const kombuVariant = "kombu"

// kombuTables are such as SQLAlchemy makes, an index more, and a table for what is delayed, which kombu has none for.
const kombuTables = `
CREATE TABLE IF NOT EXISTS kombu_queue (
	id   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name VARCHAR(200) UNIQUE
);
CREATE TABLE IF NOT EXISTS kombu_message (
	id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	visible   BOOLEAN,
	timestamp DATETIME,
	payload   TEXT NOT NULL,
	version   SMALLINT NOT NULL,
	queue_id  INTEGER CONSTRAINT "FK_kombu_message_queue" REFERENCES kombu_queue (id)
);
CREATE INDEX IF NOT EXISTS ix_kombu_message_timestamp ON kombu_message (timestamp);
CREATE INDEX IF NOT EXISTS ix_kombu_message_visible ON kombu_message (visible);
CREATE INDEX IF NOT EXISTS ix_kombu_message_timestamp_id ON kombu_message (timestamp, id);
CREATE INDEX IF NOT EXISTS taskbench_kombu_ready ON kombu_message (queue_id, timestamp, id) WHERE visible = 1;
CREATE TABLE IF NOT EXISTS taskbench_kombu_delayed ( -- a message that is not ready yet
	id       INTEGER PRIMARY KEY,
	due      INTEGER NOT NULL, -- in milliseconds of Unix time
	queue_id INTEGER NOT NULL,
	payload  TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS taskbench_kombu_due ON taskbench_kombu_delayed (due, id);
`

// kombuLook fails where a table has another shape.
const kombuLook = `SELECT (SELECT name FROM kombu_queue WHERE id = 0),
	(SELECT visible || timestamp || payload || version || queue_id FROM kombu_message WHERE id = 0),
	(SELECT due || queue_id || payload FROM taskbench_kombu_delayed WHERE id = 0)`

// openKombu makes a broker of kombu's tables in a file, which may be Celery's.
func openKombu(ctx context.Context, file string, v brokers.Variant) (brokers.Broker, error) {
	db, err := connect(file, v, url.Values{"_pragma": {"foreign_keys(1)"}, "_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	if err := createKombu(ctx, db); err != nil {
		_ = db.Close() // the first error says more
		return nil, explain(err, file)
	}
	return table.Open(table.Base{
		Name: "sqlite file " + file, DB: db, Largest: largest, Alone: true,
		Dialect: table.Dialect{
			Messages: "kombu_message INDEXED BY taskbench_kombu_ready",
			Now:      "strftime('%Y-%m-%d %H:%M:%f000', 'now', 'localtime')", // as Python writes it
			Clock:    "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		},
		Judge: func(err error) error { return judge(err, file) },
		Again: func(error) bool { return false }, // whoever waits for a lock waits long enough
	}), nil
}

func createKombu(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range []string{kombuTables, kombuLook} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			_ = tx.Rollback() // the first error says more
			if code(err) == lib.SQLITE_ERROR {
				err = fmt.Errorf("%w; a table of that name has another shape: name another file", err)
			}
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	return tx.Commit()
}

// judge makes an error Definite where SQLite has undone all that it was about, and says what to do. An I/O error in the
// middle of a commit leaves the outcome unknown.
func judge(err error, file string) error {
	if err == nil || brokers.Definite(err) {
		return err
	}
	if c := code(err); c != 0 && c != lib.SQLITE_IOERR && c != lib.SQLITE_INTERRUPT {
		return brokers.Refuse(explain(err, file))
	}
	return explain(err, file)
}
