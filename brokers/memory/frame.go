package memory

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"taskbench/brokers"
)

// The kinds of frames; the package comment says what each carries.
const (
	kindHello = 1 + iota
	kindPublish
	kindConsume
	kindPrefetch
	kindCancel
	kindSettle
	kindDepth
	kindPurge
	kindPing

	kindOK
	kindRefused
	kindDeliver

	kindRoute
	kindBind
	kindLeave
	kindDelay

	kindEnded
)

const (
	greeting = "taskbench memory 2"

	pingEvery = 2 * time.Second
	silence   = 8 * time.Second // a link that says nothing for so long is dead

	largest     = 64 << 20 // of a frame's length
	frameHeader = 1 + 8    // what the length counts before the payload
)

type frame struct {
	kind    byte
	id      uint64
	payload []byte
}

// appendFrame appends a frame whose payload is the parts one after the other.
func appendFrame(buf []byte, kind byte, id uint64, parts ...[]byte) []byte {
	n := frameHeader
	for _, p := range parts {
		n += len(p)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(n))
	buf = append(buf, kind)
	buf = binary.BigEndian.AppendUint64(buf, id)
	for _, p := range parts {
		buf = append(buf, p...)
	}
	return buf
}

// readFrame reads one frame. The payload is the caller's own.
func readFrame(r *bufio.Reader) (frame, error) {
	var head [4 + frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < frameHeader || n > largest {
		return frame{}, fmt.Errorf("frame of %d bytes: this is not the memory broker's protocol", n)
	}
	f := frame{kind: head[4], id: binary.BigEndian.Uint64(head[5:]), payload: make([]byte, n-frameHeader)}
	_, err := io.ReadFull(r, f.payload)
	return f, err
}

// An impatient connection fails a read that gets nothing for the time of silence.
type impatient struct{ net.Conn }

func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReaderSize(impatient{c}, 64<<10) }

// appendName appends a queue's name.
func appendName(buf []byte, name string) ([]byte, error) {
	if len(name) > math.MaxUint16 {
		return nil, brokers.Refusef("queue name of %d bytes is longer than %d", len(name), math.MaxUint16)
	}
	return append(binary.BigEndian.AppendUint16(buf, uint16(len(name))), name...), nil
}

// A cursor takes fixed-size values off the front of a payload; short is set when there are too few bytes.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.rest, c.short = nil, true
		return make([]byte, n)
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) byte() byte     { return c.take(1)[0] }
func (c *cursor) uint32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) uint64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }
func (c *cursor) name() string   { return string(c.take(int(binary.BigEndian.Uint16(c.take(2))))) }
