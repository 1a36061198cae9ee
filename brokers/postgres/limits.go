package postgres

import (
	"context"
	"errors"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"taskbench/brokers"
)

// limits has that of connections. max_connections takes a restart to change, and the limits of a user or a database do
// not hold for a superuser, whom a lab's server has: so its places are filled.
var limits = []brokers.Limit{brokers.Crowd(idle, func(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "53300" // too_many_connections
})}

// idle is a connection that nobody uses.
func idle(ctx context.Context, url string) (io.Closer, error) {
	cfg, err := configure(url, brokers.Variant{})
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, brokers.Refusef("connect to postgres at %s: %w", address(cfg), explain(err))
	}
	return client{conn}, nil
}

// A client closes its connection without a context: there is nothing under way in it.
type client struct{ *pgx.Conn }

func (c client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Conn.Close(ctx)
}
