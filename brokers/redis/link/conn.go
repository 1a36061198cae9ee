package link

import (
	"context"
	"net"
	"syscall"
	"time"
)

// A conn is given up after so long without progress, however long an exchange takes in all: go-redis sets a deadline
// for each command and its whole answer, which a message of many megabytes on a slow or busy link would never keep,
// the next time no more than this time.
type conn struct {
	net.Conn
}

// slice is how much is to be written within Patience.
const slice = 256 << 10

// Read puts off the deadline of the answer that it reads a part of.
func (c conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && err == nil { // there may be more; if not, the next command sets its own
		err = c.SetReadDeadline(time.Now().Add(Patience))
	}
	return n, err
}

// Write puts off the deadline with every part that the kernel has taken.
func (c conn) Write(p []byte) (n int, err error) {
	for len(p)-n > slice {
		done, err := c.Conn.Write(p[n : n+slice])
		n += done
		if err == nil {
			err = c.SetWriteDeadline(time.Now().Add(Patience))
		}
		if err != nil {
			return n, err
		}
	}
	done, err := c.Conn.Write(p[n:])
	return n + done, err
}

// A plain conn lets go-redis see whether it has been closed while it was idle.
type plain struct {
	conn
	syscall.Conn
}

// wrapped makes connections of that kind.
func wrapped(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if raw, ok := c.(syscall.Conn); ok {
			return plain{conn{c}, raw}, nil
		}
		return conn{c}, nil
	}
}
