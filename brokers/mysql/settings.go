package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"taskbench/brokers"
	"taskbench/brokers/dsn"
)

// patience bounds every small exchange with the server; large ones may take a second more for every pace of bytes.
const (
	patience = 4 * time.Second
	pace     = 1 << 20
)

// connections is how many a broker has at most: of the publishes, the settlements, the look-out, and the claims of as
// many subscriptions. A consumer has one more.
const connections = 8

const form = "mysql://user:password@host:port/database"

// configure reads the URL. That of Celery's transport (sqla+mysql+pymysql://...) is understood; its parameters are those
// of the Go driver.
func configure(rawURL string) (*mysql.Config, error) {
	bad := func(cause error) (*mysql.Config, error) {
		return nil, fmt.Errorf("read mysql URL: %w", brokers.RefuseURL(rawURL, form, cause))
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return bad(err)
	}
	scheme, _, _ := strings.Cut(strings.TrimPrefix(u.Scheme, "sqla+"), "+")
	if scheme != "mysql" && scheme != "mariadb" {
		return bad(errors.New("the scheme is another"))
	}
	c, err := dsn.Parse(u)
	if err != nil {
		return bad(err)
	}
	c.Timeout = patience
	c.ClientFoundRows = true   // what was settled counts, whether or not that changed a value
	c.InterpolateParams = true // one exchange for a statement, not three
	c.MultiStatements = true
	return c, nil
}

// connect makes a pool; nothing is dialled yet.
func connect(c *mysql.Config) *sql.DB {
	connector, err := mysql.NewConnector(c)
	if err != nil { // what was parsed is sound
		panic(fmt.Sprintf("mysql: a configuration that was parsed is refused: %v", err))
	}
	db := sql.OpenDB(sessions{connector})
	db.SetMaxOpenConns(connections + 1)
	db.SetMaxIdleConns(connections + 1)
	db.SetConnMaxIdleTime(time.Minute)
	return db
}

// session is what each connection sets: transactions lock what they change and not the gaps beside it, and wait for others'
// locks for a second before they try again; a value that does not fit is refused, not cut.
const session = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; " +
	"SET SESSION sql_mode = 'STRICT_ALL_TABLES', SESSION innodb_lock_wait_timeout = 1"

type sessions struct{ driver.Connector }

func (s sessions) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = c.(driver.ExecerContext).ExecContext(ctx, session, nil); err != nil {
		_ = c.Close() // of no use
		return nil, err
	}
	return c, nil
}

// bounded is a context for an exchange of so many bytes.
func bounded(size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience+time.Duration(size/pace)*time.Second)
}
