package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	mysql "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite" // the driver named "sqlite"

	"taskbench/brokers/dsn"
)

// A DB is a database, with what its product has of its own.
type DB struct {
	*sql.DB
	product string // sqlite, postgres or mysql
}

// Open opens a database by its URL: sqlite:///path/to/file.db, postgres://... or mysql://.... The error does not quote
// the URL, which may hold a password.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("open the database of beat: it is no URL such as sqlite:///path/to/file.db")
	}
	d := &DB{}
	switch u.Scheme {
	case "sqlite":
		if u.Host != "" || u.Path == "" {
			return nil, errors.New("open the database of beat: want sqlite:///path/to/file.db, with three slashes")
		}
		pragmas := url.Values{"_pragma": {"busy_timeout(5000)"}, "_txlock": {"immediate"}}
		file := url.URL{Scheme: "file", Path: u.Path, RawQuery: pragmas.Encode()}
		d.product = "sqlite"
		d.DB, err = sql.Open("sqlite", file.String())
	case "postgres", "postgresql":
		u.Scheme = "postgres"
		driver := registered("pgx", "postgres")
		if driver == "" {
			return nil, errors.New("open the database of beat: this program has no driver for postgres")
		}
		d.product = "postgres"
		d.DB, err = sql.Open(driver, u.String())
	case "mysql":
		d.product = "mysql"
		if d.DB, err = openMySQL(u); err != nil {
			return nil, fmt.Errorf("open the database of beat: want mysql://user:password@host:port/database: %w", err)
		}
	default:
		return nil, fmt.Errorf("open the database of beat: a schedule cannot be in %q: want sqlite, postgres or mysql", u.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database of beat: the driver for %s refuses the URL", d.product)
	}
	d.SetMaxOpenConns(4)
	if err := d.PingContext(ctx); err != nil {
		_ = d.Close() // the first error says more
		return nil, fmt.Errorf("open the database of beat: see that it is up, and that the URL's host, port, user, password and name are right: %w", err)
	}
	return d, nil
}

// registered returns the first of the drivers that the program has.
func registered(names ...string) string {
	for _, name := range names {
		if slices.Contains(sql.Drivers(), name) {
			return name
		}
	}
	return ""
}

// patience bounds every exchange with MySQL.
const patience = 10 * time.Second

// openMySQL bounds what the server is waited for: one that does not answer must not keep a beat for ever.
func openMySQL(u *url.URL) (*sql.DB, error) {
	c, err := dsn.Parse(u)
	if err != nil {
		return nil, err
	}
	c.ParseTime, c.Loc, c.ClientFoundRows = true, time.UTC, true
	c.Timeout, c.ReadTimeout, c.WriteTimeout = patience, patience, patience
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// q puts the product's placeholders into a query written with question marks.
func (d *DB) q(query string) string {
	if d.product != "postgres" {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// within runs f in a transaction.
func (d *DB) within(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error says more
		return err
	}
	return tx.Commit()
}

// textual is how Django writes a time on SQLite.
const textual = "2006-01-02 15:04:05.999999"

// when is a time as a parameter; NULL where it is zero.
func (d *DB) when(t time.Time) any {
	switch {
	case t.IsZero():
		return nil
	case d.product == "sqlite":
		return t.UTC().Format(textual)
	}
	return t.UTC()
}

// readTime reads a time of a column, in whatever form its driver delivers it; zero for NULL.
func readTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case time.Time:
		return v.UTC(), nil
	case []byte:
		return readTime(string(v))
	case string:
		for _, layout := range []string{textual, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02T15:04:05.999999Z07:00", "2006-01-02T15:04:05.999999"} {
			if t, err := time.ParseInLocation(layout, v, time.UTC); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%v is not a time", v)
}
