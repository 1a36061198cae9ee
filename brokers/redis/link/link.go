// Package link is the connection to Redis that all layouts of keys share: its URL, its patience, and what its errors mean.
package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
)

// A Link is a pool of connections to one server, or to the master of those that sentinels watch. It is safe for
// concurrent use.
type Link struct {
	Client *goredis.Client
	DB     int
	Settings
	scripts []Script
}

// Open connects to the server at url and teaches it the scripts, within the context's deadline. A refused connection is a
// Definite error.
func Open(ctx context.Context, url string, v brokers.Variant, scripts []Script) (*Link, error) {
	t, set, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	l := &Link{Client: t.client(), DB: t.DB, Settings: set, scripts: scripts}
	if err := brokers.Within(ctx, func() error { return l.teach(ctx) }); err != nil {
		_ = l.Client.Close()
		return nil, Judgef(err, "open redis at %s", t)
	}
	return l, nil
}

// Judge makes an error Definite where the server itself refused, or where nothing had been sent.
func Judge(err error) error {
	if err == nil {
		return nil
	}
	var refused goredis.Error
	var network *net.OpError
	switch {
	case errors.Is(err, goredis.ErrClosed):
		return brokers.ErrClosed
	case errors.As(err, &refused):
		return brokers.Refuse(advise(err))
	case errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrPoolExhausted),
		errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &network) && network.Op == "dial", leaderless(err):
		return brokers.Refuse(err)
	}
	return err
}

// Judgef is Judge with a context for the message.
func Judgef(err error, format string, args ...any) error {
	if err = Judge(err); err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// farewell is how long Close waits for the server to take back what is held.
const farewell = 2 * time.Second

// Close drops the connections once last has returned, or, where the link is dead, after two seconds: what last is about
// then fails. It returns when last has.
func (l *Link) Close(last func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		last()
	}()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C: // what is held goes back when the leases end
	}
	_ = l.Client.Close() // its only error is to be closed already; it fails what is under way
	<-done
}
