package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
)

// turns stands between clients and the server, and lets one write at a time through, in the order in which they came.
// SQLite has one writer; those that wait for it sleep and look again, longer each time, and under load some never have
// their turn before their clients give up.
type turns struct {
	server string        // its address
	turn   chan struct{} // full while somebody writes
}

// writes are the commands that take turns.
var writes = []string{
	"insert", "update", "delete", "findAndModify", "create", "createIndexes", "drop", "dropIndexes", "dropDatabase",
	"renameCollection", "collMod",
}

// serve hands on what comes over a listener's connections, until it is closed.
func (t *turns) serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			if err := t.hand(client); err != nil && !errors.Is(err, io.EOF) {
				slog.Debug("a connection ended", "err", err)
			}
		}()
	}
}

func (t *turns) hand(client net.Conn) error {
	server, err := net.Dial("tcp", t.server)
	if err != nil {
		return err
	}
	defer server.Close()
	for {
		request, err := message(client)
		if err != nil {
			return err
		}
		answer, err := t.ask(server, request)
		if err != nil {
			return err
		}
		if _, err := client.Write(answer); err != nil {
			return err
		}
	}
}

// ask returns the server's answer, which is empty for a request that wants none.
func (t *turns) ask(server net.Conn, request []byte) ([]byte, error) {
	if slices.Contains(writes, command(request)) {
		t.turn <- struct{}{}
		defer func() { <-t.turn }()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	if unanswered(request) {
		return nil, nil
	}
	return message(server)
}

// The parts of a message: sixteen bytes of header, of which the first four are its length and the last four its kind;
// then, of the kind that all commands have, four of flags, and one before the document whose first field is the command.
const (
	header     = 16
	commands   = 2013
	document   = header + 4 + 1
	first      = document + 4 + 1
	moreToCome = 2
	largest    = 48_000_000
)

// message reads a whole one.
func message(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n < header || n > largest {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	m := make([]byte, n)
	copy(m, length[:])
	_, err := io.ReadFull(from, m[4:])
	return m, err
}

// command is the name of what a request asks for; "" where it is of another kind.
func command(request []byte) string {
	if len(request) < first || binary.LittleEndian.Uint32(request[12:]) != commands || request[document-1] != 0 {
		return ""
	}
	name, _, _ := bytes.Cut(request[first:], []byte{0})
	return string(name)
}

func unanswered(request []byte) bool {
	return len(request) > header && binary.LittleEndian.Uint32(request[12:]) == commands && request[header]&moreToCome != 0
}
