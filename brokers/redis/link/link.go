// Package link is the connection to Redis that all layouts of keys share: its URL, its patience, and what its errors mean.
package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
)

// A Link is a pool of connections to one server, or to the primary of several. It is safe for
// concurrent use.
type Link struct {
	Client *goredis.Client
	DB     int
	Settings
	scripts []Script
	over    chan struct{} // closed by Close
}

// Open connects to the server at url and teaches it the scripts, within the context's deadline. A refused connection is a
// Definite error.
func Open(ctx context.Context, url string, v brokers.Variant, scripts []Script) (*Link, error) {
	t, set, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	l := &Link{Client: t.client(), DB: t.DB, Settings: set, scripts: scripts, over: make(chan struct{})}
	if err := brokers.Within(ctx, func() error { return l.teach(ctx) }); err != nil {
		_ = l.Client.Close()
		return nil, fmt.Errorf("open redis at %s: %w", t, greeted(err))
	}
	if t.servers != nil {
		go t.servers.mind(l.over)
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
		return brokers.Refuse(brokers.Unreached(err))
	}
	return err
}

// greeted judges the first exchange with a server, which has no effect on it that matters: all of its errors are Definite.
func greeted(err error) error {
	var refused goredis.Error
	err = Judge(err)
	switch text := err.Error(); {
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		return brokers.Refusef("%w; have this machine trust who signed the server's certificate, name the host as that does, or take redis:// for a server without encryption", err)
	case errors.As(err, &refused) && known(refused.Error()), errors.Is(err, brokers.ErrClosed), brokers.Definite(err) && !errors.As(err, &refused):
		return err
	}
	return brokers.Refusef("%w; is it a Redis server that listens there, with the encryption that the URL says, and with room for one more client (maxclients)?", err)
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
// then fails. It returns when last has, and is called once.
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
	close(l.over)
	_ = l.Client.Close() // its only error is to be closed already; it fails what is under way
	<-done
}
