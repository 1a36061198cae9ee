package turns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

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
