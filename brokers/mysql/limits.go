package mysql

import (
	"context"
	"io"

	mysql "github.com/go-sql-driver/mysql"

	"taskbench/brokers"
)

// limits has that of connections. Setting max_connections is for administrators, and a lab's user is none: so the places
// that there are get filled.
var limits = []brokers.Limit{brokers.Crowd(bystand, func(err error) bool { return code(err) == 1040 })} // ER_CON_COUNT_ERROR

// bystand makes a connection that nobody uses.
func bystand(ctx context.Context, url string) (io.Closer, error) {
	c, err := configure(url)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, brokers.Refusef("connect to mysql at %s: %w", c.Addr, explain(err))
	}
	return conn, nil
}
