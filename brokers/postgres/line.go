package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A line is a connection that counts what comes over it.
type line struct {
	net.Conn
	heard atomic.Int64 // bytes
}

// Read implements net.Conn.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.heard.Add(int64(n))
	return n, err
}

// counted has the connections that dial makes be lines.
func counted(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &line{Conn: c}, nil
	}
}

// How long a server that was asked for messages may send nothing, and how often that is looked at.
const (
	silence = 8 * time.Second
	glance  = 500 * time.Millisecond
)

// lineOf is what a session of ours goes over, below its encryption.
func lineOf(c *pgx.Conn) *line {
	conn := c.PgConn().Conn()
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	return conn.(*line) // configure sees to it
}

// whileHeard is a context for an exchange whose answer may have any size, over a link of any speed: it ends when nothing
// has come of it for so long. It is counted in glances, so that a process that stood still does not blame the server.
func (l *line) whileHeard() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		looks := time.NewTicker(glance)
		defer looks.Stop()
		heard, quiet := l.heard.Load(), time.Duration(0)
		for {
			select {
			case <-ctx.Done():
				return
			case <-looks.C:
			}
			quiet += glance
			if now := l.heard.Load(); now != heard {
				heard, quiet = now, 0
			}
			if quiet >= silence {
				cancel(fmt.Errorf("nothing came for %v", silence))
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
