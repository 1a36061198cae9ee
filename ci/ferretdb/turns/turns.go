// Package turns stands between clients of MongoDB's protocol and a server whose writers get in each other's way.
package turns

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"syscall"
	"time"
)

// A Keeper lets one write at a time through, in the order in which they came. SQLite has one writer; those that wait for it
// sleep and look again, longer each time, and under load some never have their turn before their clients give up.
type Keeper struct {
	dial func() (net.Conn, error)
	turn chan struct{} // full while somebody writes
}

// New returns a keeper before the server at an address.
func New(server string) *Keeper {
	return &Keeper{dial: func() (net.Conn, error) { return net.Dial("tcp", server) }, turn: make(chan struct{}, 1)}
}

// writes are the commands that take turns.
var writes = []string{
	"insert", "update", "delete", "findAndModify", "create", "createIndexes", "drop", "dropIndexes", "dropDatabase",
	"renameCollection", "collMod",
}

// passing are the errors of accepting that have to do with one connection, or with too many, and go by.
var passing = []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// pause is how long a listener that cannot accept is left alone.
const pause = 50 * time.Millisecond

// Serve hands on what comes over a listener's connections. It returns nil once that is closed, and an error when it can
// accept no more for good.
func (k *Keeper) Serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		switch {
		case err == nil:
			go k.attend(client)
		case errors.Is(err, net.ErrClosed):
			return nil
		case slices.ContainsFunc(passing, func(one error) bool { return errors.Is(err, one) }):
			slog.Warn("a connection could not be accepted", "err", err)
			<-time.After(pause)
		default:
			return err
		}
	}
}

func (k *Keeper) attend(client net.Conn) {
	defer client.Close()
	if err := k.hand(client); err != nil && !errors.Is(err, io.EOF) {
		slog.Debug("a connection ended", "err", err)
	}
}

// hand passes on what a client asks, until it hangs up. In its turn that is not before the server's answer, so that nobody
// writes beside what it has asked for last.
func (k *Keeper) hand(client net.Conn) error {
	server, err := k.dial()
	if err != nil {
		return err
	}
	defer server.Close()
	for {
		request, err := message(client)
		if err != nil {
			return err
		}
		answer, err := k.ask(server, request)
		if err != nil {
			return err
		}
		if len(answer) == 0 {
			continue
		}
		if _, err := client.Write(answer); err != nil {
			return err
		}
	}
}

// ask returns the server's answer, which is empty for a request that wants none.
func (k *Keeper) ask(server net.Conn, request []byte) ([]byte, error) {
	if slices.Contains(writes, command(request)) {
		k.turn <- struct{}{}
		defer func() { <-k.turn }()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	if unanswered(request) {
		return nil, nil
	}
	return message(server)
}
