package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// kombuVariant differs in more than a setting.
const kombuVariant = "kombu"

// openKombu makes a broker of kombu's tables. It closes the pool where it fails.
func openKombu(ctx context.Context, db *sql.DB, addr string) (brokers.Broker, error) {
	base, err := prepareKombu(ctx, db)
	if err != nil {
		_ = db.Close() // the first error says more
		return nil, brokers.Refusef("open mysql at %s: %w", addr, explain(err))
	}
	base.Name, base.DB, base.Judge, base.Again = "mysql at "+addr, db, judge, again
	return table.Open(base), nil
}

// kombuTables are such as SQLAlchemy makes: with sequences in MariaDB, and in MySQL with columns that count. Beyond that they
// have an index more, a payload that may be longer than 64 KiB, and names of which each is a queue of its own, whatever
// the collation of the database. A last table is for what is delayed, which kombu has none for.
func kombuTables(sequences bool) []string {
	id := "INTEGER NOT NULL AUTO_INCREMENT"
	var all []string
	if sequences {
		id = "INTEGER NOT NULL"
		all = []string{`CREATE SEQUENCE IF NOT EXISTS queue_id_sequence`, `CREATE SEQUENCE IF NOT EXISTS message_id_sequence`}
	}
	return append(all,
		`CREATE TABLE IF NOT EXISTS kombu_queue (
	id   `+id+` PRIMARY KEY,
	name VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin UNIQUE
) ENGINE=InnoDB`,
		`CREATE TABLE IF NOT EXISTS kombu_message (
	id        `+id+` PRIMARY KEY,
	visible   BOOL,
	timestamp DATETIME,
	payload   LONGTEXT NOT NULL,
	version   SMALLINT NOT NULL,
	queue_id  INTEGER,
	CONSTRAINT FK_kombu_message_queue FOREIGN KEY (queue_id) REFERENCES kombu_queue (id),
	INDEX ix_kombu_message_timestamp (timestamp),
	INDEX ix_kombu_message_visible (visible),
	INDEX ix_kombu_message_timestamp_id (timestamp, id),
	INDEX taskbench_kombu_ready (queue_id, visible, timestamp, id)
) ENGINE=InnoDB CHARACTER SET utf8mb4`,
		`CREATE TABLE IF NOT EXISTS taskbench_kombu_delayed (
	id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	due      BIGINT NOT NULL COMMENT 'milliseconds of Unix time',
	queue_id INTEGER NOT NULL,
	payload  LONGTEXT NOT NULL,
	INDEX due (due, id)
) ENGINE=InnoDB CHARACTER SET utf8mb4`)
}

// kombuLooks fail where a table is not there, or has another shape.
var kombuLooks = []string{
	`SELECT id, name FROM kombu_queue LIMIT 0`,
	`SELECT id, visible, timestamp, payload, version, queue_id FROM kombu_message LIMIT 0`,
	`SELECT id, due, queue_id, payload FROM taskbench_kombu_delayed FORCE INDEX (due) LIMIT 0`,
}

// prepareKombu makes what is absent, and finds out what the tables are like: Celery may have made them.
func prepareKombu(ctx context.Context, db *sql.DB) (base table.Base, err error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return base, err
	}
	if err := prepare(ctx, db, kombuTables(strings.Contains(version, "MariaDB")), kombuLooks); err != nil {
		return base, err
	}
	base.Dialect = table.Dialect{
		Messages: readyFirst(ctx, db),
		Lock:     " FOR UPDATE SKIP LOCKED",
		Now:      "NOW()",
		Clock:    "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
	}
	counts := map[string]bool{} // whether the id of a table does so by itself
	for _, name := range []string{"kombu_queue", "kombu_message"} {
		var extra string
		err := db.QueryRowContext(ctx, `SELECT extra FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = ? AND column_name = 'id'`, name).Scan(&extra)
		if err != nil {
			return base, fmt.Errorf("look at the tables: %w", err)
		}
		counts[name] = strings.Contains(strings.ToLower(extra), "auto_increment")
	}
	if !counts["kombu_queue"] {
		base.Dialect.QueueID = "NEXT VALUE FOR queue_id_sequence"
	}
	if !counts["kombu_message"] {
		base.Dialect.MessageID = "NEXT VALUE FOR message_id_sequence"
	}
	err = db.QueryRowContext(ctx, `SELECT LEAST(character_octet_length, ?) FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = 'kombu_message' AND column_name = 'payload'`, largest).Scan(&base.Largest)
	if err != nil {
		return base, fmt.Errorf("look at the tables: %w", err)
	}
	return base, nil
}

// readyFirst is the table of messages with the index that finds those of one queue, where it is there or can be made: where
// Celery has made the table, not everybody may.
func readyFirst(ctx context.Context, db *sql.DB) string {
	const messages = "kombu_message FORCE INDEX (taskbench_kombu_ready)"
	find := func() error {
		_, err := db.ExecContext(ctx, `SELECT id FROM `+messages+` LIMIT 0`)
		return err
	}
	if find() != nil {
		_, _ = db.ExecContext(ctx, `ALTER TABLE kombu_message ADD INDEX taskbench_kombu_ready (queue_id, visible, timestamp, id)`) // whether it is there is seen next
		if find() != nil {
			return "kombu_message"
		}
	}
	return messages
}
