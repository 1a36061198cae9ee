package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"taskbench/brokers/dsn"
	"taskbench/worker/result"
)

// A BLOB of MySQL's ends at 64 KiB; where Celery has made the tables, larger results are an error of the server's. Ids that
// differ in case alone are two, and any text fits, whatever the server's own character set is.
var mySQL = dialect{
	driver: "mysql",
	open:   openMySQL,
	schema: schema("INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY", "LONGBLOB", "LONGTEXT", "DATETIME(6)", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
	places: question,
	upsert: onDuplicate,
	time:   func(t time.Time) any { return t },
	now:    mysqlNow,
	claims: claimTable(" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
	claim:  claimOnDuplicate,

	fit:     fitMySQL,
	again:   deadlocked,
	explain: explainMySQL,
}

// MariaDB has sequences, so SQLAlchemy takes ids from those there.
var mariaDB = dialect{
	driver: "mysql",
	open:   openMySQL,
	schema: append([]string{
		`CREATE SEQUENCE IF NOT EXISTS task_id_sequence`, `CREATE SEQUENCE IF NOT EXISTS taskset_id_sequence`,
	}, schema("INTEGER NOT NULL PRIMARY KEY", "LONGBLOB", "LONGTEXT", "DATETIME(6)", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")...),
	ids:     "NEXTVAL(%s)",
	places:  question,
	upsert:  onDuplicate,
	time:    func(t time.Time) any { return t },
	now:     mysqlNow,
	claims:  claimTable(" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
	claim:   claimOnDuplicate,
	again:   deadlocked,
	explain: explainMySQL,
}

const mysqlNow = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"

// claimOnDuplicate lets the holder and, once the claim has lapsed, anybody have it. The holder comes first, since MySQL
// assigns in order.
func claimOnDuplicate(now string) string {
	return " ON DUPLICATE KEY UPDATE holder = IF(holder = VALUES(holder) OR expires <= " + now + ", VALUES(holder), holder), " +
		"expires = IF(holder = VALUES(holder), VALUES(expires), expires)"
}

// fitMySQL goes by the table where it is, and else by the server, as Celery would.
func fitMySQL(ctx context.Context, db *sql.DB, this dialect) (dialect, error) {
	var version string
	var extra sql.NullString
	err := db.QueryRowContext(ctx, `SELECT VERSION(), (SELECT extra FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name = 'celery_taskmeta' AND column_name = 'id')`).Scan(&version, &extra)
	switch {
	case err != nil:
		return this, explainMySQL(err)
	case extra.Valid && !strings.Contains(strings.ToLower(extra.String), "auto_increment"),
		!extra.Valid && strings.Contains(version, "MariaDB"):
		return mariaDB, nil
	}
	return this, nil
}

// onDuplicate keeps what is there of a task that has succeeded. The status comes last, since MySQL assigns in order
// and a later assignment sees an earlier one.
func onDuplicate(table, key, insert string, columns []string) string {
	var sets []string
	for _, c := range columns {
		if c != "status" {
			sets = append(sets, newer(table, c))
		}
	}
	if table == "celery_taskmeta" {
		sets = append(sets, newer(table, "status"))
	}
	return insert + " ON DUPLICATE KEY UPDATE " + strings.Join(sets, ", ")
}

func newer(table, column string) string {
	if table != "celery_taskmeta" {
		return fmt.Sprintf("%[1]s = VALUES(%[1]s)", column)
	}
	return fmt.Sprintf("%[1]s = IF(status <=> 'SUCCESS', %[1]s, VALUES(%[1]s))", column)
}

// mysqlSource is the driver's own form of a URL.
func mysqlSource(u *url.URL) (string, error) {
	c, err := dsn.Parse(u)
	if err != nil {
		return "", err
	}
	c.ParseTime, c.Loc = true, time.UTC
	c.Timeout, c.ReadTimeout, c.WriteTimeout = patience, patience, patience
	return c.FormatDSN(), nil
}

// openMySQL has the driver print nothing, for which its form of a URL has no word: what it would print it also returns.
func openMySQL(source string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(source)
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// deadlocked tells whether a transaction was rolled back in favour of another.
func deadlocked(err error) bool {
	var refused *mysql.MySQLError
	return errors.As(err, &refused) && (refused.Number == 1213 || refused.Number == 1205) // deadlock; waited too long for a lock
}

func tooLarge(err error) error {
	return fmt.Errorf("%w: it is larger than max_allowed_packet; have the task return less, or raise that: %w", result.ErrRefused, err)
}

// explainMySQL says what to do about what people can do something about.
func explainMySQL(err error) error {
	var refused *mysql.MySQLError
	var network *net.OpError
	what := ""
	switch {
	case errors.As(err, &refused):
		switch refused.Number {
		case 1045, 1698:
			what = "the server does not take user and password; correct them in the URL"
		case 1044, 1142, 1227:
			what = "the user lacks rights; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE on the database"
		case 1049:
			what = "there is no such database; CREATE DATABASE it, or correct its name in the URL"
		case 1040, 1203, 1226:
			what = "the server has no connection left; raise max_connections, or run fewer processes"
		case 1054, 1146:
			what = "the tables are not as Celery makes them; move celery_taskmeta and celery_tasksetmeta away"
		case 1290, 1836, 1792:
			what = "the server is read-only; name the primary in the URL"
		case 3159:
			what = "the server takes encrypted connections alone; add tls=true to the URL"
		case 1406:
			return fmt.Errorf("%w: a column is too short, as the server says; have the task return less, or ALTER TABLE celery_taskmeta MODIFY result LONGBLOB: %w", result.ErrRefused, err)
		case 1153:
			return tooLarge(err)
		}
	case errors.Is(err, mysql.ErrPktTooLarge):
		return tooLarge(err)
	case errors.As(err, &network) && network.Op == "dial":
		what = "nobody answers; start the server, or correct host and port in the URL"
	case errors.Is(err, context.DeadlineExceeded):
		what = "it does not answer in time; see that MySQL or MariaDB is what listens there"
	}
	if what == "" {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
