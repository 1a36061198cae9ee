package mysql

import (
	"context"
	"database/sql"
	"fmt"

	"taskbench/brokers"
)

// The tables. Urgency is 9 less the priority, so that an index in rising order gives what comes first; owner is 0 where a
// message is ready, and else the consumer that holds it: what is ready is one range of its index, and what somebody holds
// one of another.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS taskbench_consumer (
	id    BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	name  VARCHAR(300) NOT NULL COMMENT 'for people who look',
	until DATETIME(6) NOT NULL COMMENT 'UTC, as all times here'
) ENGINE=InnoDB CHARACTER SET utf8mb4`,
	`CREATE TABLE IF NOT EXISTS taskbench_message (
	id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	queue    VARBINARY(500) NOT NULL,
	urgency  TINYINT NOT NULL,
	envelope LONGBLOB NOT NULL,
	expires  DATETIME(6) NULL,
	handed   INT NOT NULL DEFAULT 0 COMMENT 'how often it was handed out',
	owner    BIGINT NOT NULL DEFAULT 0 COMMENT 'the consumer that holds it; 0 is ready',
	INDEX ready (queue, owner, urgency, id),
	INDEX held (owner),
	INDEX expiring (expires)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
	`CREATE TABLE IF NOT EXISTS taskbench_delayed (
	id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
	due      DATETIME(6) NOT NULL,
	queue    VARBINARY(500) NOT NULL,
	urgency  TINYINT NOT NULL,
	envelope LONGBLOB NOT NULL,
	expires  DATETIME(6) NULL,
	INDEX due (due, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
}

// looks fail where a table is not there, or has another shape.
var looks = []string{
	`SELECT id, name, until FROM taskbench_consumer LIMIT 0`,
	`SELECT id, queue, urgency, envelope, expires, handed, owner FROM taskbench_message FORCE INDEX (ready, held, expiring) LIMIT 0`,
	`SELECT id, due, queue, urgency, envelope, expires FROM taskbench_delayed FORCE INDEX (due) LIMIT 0`,
}

// prepare makes the tables where they are absent, which whoever may not make tables leaves to others.
func prepare(ctx context.Context, db *sql.DB, tables, looks []string) error {
	err := look(ctx, db, looks)
	if code(err) != 1146 {
		return err
	}
	for _, t := range tables {
		if _, err := db.ExecContext(ctx, t); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	return look(ctx, db, looks)
}

func look(ctx context.Context, db *sql.DB, looks []string) error {
	for _, l := range looks {
		if _, err := db.ExecContext(ctx, l); err != nil {
			return fmt.Errorf("look at the tables: %w", err)
		}
	}
	var readOnly string
	if err := db.QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly != "0" && readOnly != "OFF" {
		return brokers.Refusef("the server is read-only; %s", advice[1290])
	}
	return nil
}

// longest is how many bytes the name of a queue may have, with the suffix of that of dead letters.
var longest = 500 - len(brokers.DeadLetterQueue(""))
