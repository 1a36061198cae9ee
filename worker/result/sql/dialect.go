package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"taskbench/brokers"
	"taskbench/worker/result"
)

// A dialect is what differs between databases.
type dialect struct {
	driver string
	open   func(source string) (*sql.DB, error)
	schema []string // run at every opening; each must do nothing where all is there
	single bool     // one writer at a time: who waits in turn is served sooner than who tries again and again
	ids    string   // how rows get their ids from a sequence that is named here; "": by themselves
	places func(n int) string
	upsert func(table, key, insert string, columns []string) string
	lasts  string // the condition of an upsert under which the row may be changed
	time   func(t time.Time) any
	now    string                  // of the server's clock, in milliseconds since 1970
	claims string                  // the table of claims
	claim  func(now string) string // what an insert of a claim does where there is one

	fit     func(ctx context.Context, db *sql.DB, this dialect) (dialect, error) // the one of this very server; nil: this
	again   func(err error) bool                                                 // the statement had no effect, because of another's, and is to be tried once more; nil: never
	explain func(err error) error                                                // says what to do; nil: the server does
}

var taskColumns = []string{
	"task_id", "status", "result", "date_done", "traceback", "name", "args", "kwargs", "worker", "retries", "queue",
}

// schema fills in the types that databases name differently.
func schema(id, blob, text, datetime, options string) []string {
	return []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS celery_taskmeta (id %[1]s, task_id VARCHAR(155) UNIQUE, status VARCHAR(50), result %[2]s,
			date_done %[4]s, traceback %[3]s, name VARCHAR(155), args %[2]s, kwargs %[2]s, worker VARCHAR(155), retries INTEGER, queue VARCHAR(155))%[5]s`,
			id, blob, text, datetime, options),
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS celery_tasksetmeta (id %[1]s, taskset_id VARCHAR(155) UNIQUE, result %[2]s, date_done %[3]s)%[4]s`,
			id, blob, datetime, options),
	}
}

// claimTable is a table of ours beside Celery's.
func claimTable(options string) string {
	return `CREATE TABLE IF NOT EXISTS taskbench_claims (task_id VARCHAR(155) NOT NULL PRIMARY KEY, holder VARCHAR(64) NOT NULL, expires BIGINT NOT NULL)` + options
}

// storing is the statement that stores a result.
func (d dialect) storing() string {
	return d.writing("celery_taskmeta", "task_id", "task_id_sequence", taskColumns) + d.lasts
}

// writing is the statement that stores a row, or changes the one of the same key.
func (d dialect) writing(table, key, sequence string, columns []string) string {
	places := make([]string, len(columns))
	for i := range columns {
		places[i] = d.places(i + 1)
	}
	into, values := strings.Join(columns, ", "), strings.Join(places, ", ")
	if d.ids != "" {
		into, values = "id, "+into, fmt.Sprintf(d.ids, sequence)+", "+values
	}
	insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, into, values)
	return d.upsert(table, key, insert, columns[1:])
}

// PostgresActs is what a PostgreSQL broker's wire has besides when results are kept in the same server, each record by a
// statement of its own.
func PostgresActs() map[string]brokers.Act {
	return map[string]brokers.Act{postgres.storing(): {Does: brokers.Stores}}
}

func question(n int) string { return "?" }

// onConflict is the upsert of SQLite and PostgreSQL.
func onConflict(table, key, insert string, columns []string) string {
	sets := make([]string, len(columns))
	for i, c := range columns {
		sets[i] = c + " = excluded." + c
	}
	return insert + " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

// claimOnConflict lets the holder and, once the claim has lapsed, anybody have it.
func claimOnConflict(now string) string {
	return onConflict("", "task_id", "", []string{"holder", "expires"}) +
		" WHERE taskbench_claims.holder = excluded.holder OR taskbench_claims.expires <= " + now
}

var sqlite = dialect{
	driver: "sqlite",
	open:   func(source string) (*sql.DB, error) { return sql.Open("sqlite", source) },
	schema: schema("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "BLOB", "TEXT", "DATETIME", ""),
	single: true,
	places: question,
	upsert: onConflict,
	lasts:  " WHERE celery_taskmeta.status IS NOT 'SUCCESS'",
	time:   func(t time.Time) any { return t.Format("2006-01-02 15:04:05.000000") }, // as SQLAlchemy stores it
	now:    "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
	claims: claimTable(""),
	claim:  claimOnConflict,
}

var postgres = dialect{
	driver: "pgx",
	open:   func(source string) (*sql.DB, error) { return sql.Open("pgx", source) },
	schema: append([]string{
		`CREATE SEQUENCE IF NOT EXISTS task_id_sequence`, `CREATE SEQUENCE IF NOT EXISTS taskset_id_sequence`,
	}, schema("INTEGER NOT NULL PRIMARY KEY", "BYTEA", "TEXT", "TIMESTAMP WITHOUT TIME ZONE", "")...),
	ids:    "nextval('%s')",
	places: func(n int) string { return fmt.Sprintf("$%d", n) },
	upsert: onConflict,
	lasts:  " WHERE celery_taskmeta.status IS DISTINCT FROM 'SUCCESS'",
	time:   func(t time.Time) any { return t },
	now:    "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
	claims: claimTable(""),
	claim:  claimOnConflict,

	explain: explainPostgres,
}

// explainPostgres knows what a row will never take: text that is too long for its column, or has a NUL.
func explainPostgres(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "22001" || refused.Code == "22021") {
		return fmt.Errorf("%w: %w", result.ErrRefused, err)
	}
	return err
}

const form = "db+sqlite:////path, db+postgresql://user:password@host:port/name, or db+mysql:// or db+mariadb:// likewise"

// locate finds the dialect of a URL, and what its driver takes.
func locate(rawURL string) (d dialect, source string, err error) {
	bad := func(cause error) (dialect, string, error) {
		return dialect{}, "", fmt.Errorf("read database URL: %w", brokers.RefuseURL(rawURL, form, cause))
	}
	u, err := url.Parse(strings.TrimPrefix(rawURL, "db+"))
	if err != nil {
		return bad(err)
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	switch scheme {
	case "sqlite":
		file := strings.TrimPrefix(u.Path, "/") // what follows sqlite:/// is the path
		if u.Host != "" || file == "" {
			return bad(errors.New("sqlite has a path after three slashes"))
		}
		q := u.Query()
		q.Add("_pragma", "busy_timeout(10000)")
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(NORMAL)") // with WAL a power cut may cost the last results, and a crash none
		q.Set("_txlock", "immediate")
		return sqlite, (&url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}).String(), nil
	case "postgresql", "postgres":
		u.Scheme = "postgresql"
		return postgres, u.String(), nil
	case "mysql", "mariadb":
		if source, err = mysqlSource(u); err != nil {
			return bad(err)
		}
		return mySQL, source, nil
	}
	return bad(errors.New("the scheme is another"))
}
