package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"taskbench/brokers"
)

// errLapsed is told of what was given to somebody else.
var errLapsed = brokers.Refusef("the lease ran out, because this process stood still or did not reach the server for %v: "+
	"what it held has been given to others", lease)

// judge makes an error Definite where the server itself refused, which undoes the whole transaction, or where nothing
// had been sent. A server that ends the session (FATAL) may have committed before.
func judge(err error) error {
	if err == nil {
		return nil
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		if refused.SeverityUnlocalized == "ERROR" && !strings.HasPrefix(refused.Code, "08") && refused.Code != "40003" {
			return brokers.Refuse(explain(err))
		}
		return explain(err)
	}
	if pgconn.SafeToRetry(err) {
		return brokers.Refuse(explain(err))
	}
	return explain(err)
}

// deadlocked tells whether the server has undone a transaction in favour of another. Done again it may well succeed.
func deadlocked(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "40P01"
}

// advice is what to do about the refusals that people can do something about, by SQLSTATE or the class of it.
var advice = map[string]string{
	"25006": "it is a read-only replica or transactions are read-only by default; use the URL of the primary server",
	"28":    "check user and password in the URL, and the server's pg_hba.conf",
	"3D000": "create the database, or name another one in the URL",
	"3F000": "create the schema, or set search_path to another one in the URL",
	"42501": "let the user GRANT SELECT, INSERT, UPDATE, DELETE on the tables, USAGE on the sequences and, until the tables are there, CREATE on the schema",
	"42":    "a table of that name has another shape; move it away, or set search_path to a schema of its own in the URL",
	"53100": "free space on the server's disk",
	"53300": "raise max_connections of the server, or start fewer workers: each takes up to seven connections",
	"57P03": "wait until the server has started or recovered",
}

// explain says what to do. It shows nothing of the URL but host, port, user and database.
func explain(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		what := advice[refused.Code]
		if what == "" && len(refused.Code) == 5 {
			what = advice[refused.Code[:2]]
		}
		if what == "" {
			return refused
		}
		return fmt.Errorf("%w; %s", refused, what)
	}
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "tls"):
		return oneLine{connect.Unwrap(), "; check sslmode, sslrootcert and the host's name in the URL"}
	case strings.Contains(text, "receive message"):
		return oneLine{connect.Unwrap(), "; is it a PostgreSQL server that listens there?"}
	}
	return oneLine{brokers.Unreached(connect.Unwrap()), ""}
}

// oneLine is an error whose text may have several.
type oneLine struct {
	err  error
	hint string
}

func (e oneLine) Error() string {
	return strings.Join(strings.Fields(strings.ReplaceAll(e.err.Error(), "\n", "; ")), " ") + e.hint
}
func (e oneLine) Unwrap() error { return e.err }
