package rabbitmq

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A server speaks enough AMQP to publish to and to consume one message from. What becomes of a publish is its
// test's to say: "ack", "nack", "return", "cut", "close" (the channel) or "" for silence.
type server struct {
	url string

	mu       sync.Mutex
	outcome  func(publishing) string
	got      []publishing
	settled  []string // methods by which deliveries were settled
	declared []string // queue declarations, as their argument bytes
	asked    []string // methods that declare, bind and consume, whole
	links    map[net.Conn]*bufio.Writer
	consumer func(kind byte, payload []byte) // sends on the channel of the last consumer
}

type publishing struct {
	exchange string
	queue    string // the routing key
	header   []byte // the content header's payload
	body     []byte
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{links: map[net.Conn]*bufio.Writer{}}
	s.url = "amqp://guest:guest@" + servertest.Serve(t, s.serve) + "/"
	return s
}

func (s *server) open(t *testing.T) brokers.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	b, err := open(ctx, s.url, Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (s *server) set(outcome func(publishing) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = outcome
}

func (s *server) published() []publishing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// say sends a frame on one link, or on all of them where it is nil.
func (s *server) say(to net.Conn, kind byte, channel uint16, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, w := range s.links {
		if c == to || to == nil {
			_, _ = w.Write(frame(kind, channel, payload)) // Flush tells
			_ = w.Flush()                                 // a client that has gone is no concern of the server's
		}
	}
}

// deliver hands a message to the consumer.
func (s *server) deliver(tag uint64, header, body []byte) {
	binary.BigEndian.PutUint64(header[4:], uint64(len(body)))
	s.mu.Lock()
	say := s.consumer
	s.mu.Unlock()
	say(1, method(60, 60, short("1.0"), string(binary.BigEndian.AppendUint64(nil, tag)), "\x01", short(""), short("q")))
	say(2, header)
	if len(body) > 0 {
		say(3, body)
	}
}

func method(class, id uint16, args ...string) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), id)
	for _, a := range args {
		b = append(b, a...)
	}
	return b
}

func short(s string) string { return string(rune(len(s))) + s }

// plain answers, by class and method, that need nothing of the question.
var answers = map[[2]uint16][]byte{
	{10, 11}: method(10, 30, "\x07\xff", "\x00\x02\x00\x00", "\x00\x03"), // start-ok: tune
	{10, 40}: method(10, 41, "\x00"),                                     // open
	{10, 50}: method(10, 51),                                             // close
	{20, 10}: method(20, 11, "\x00\x00\x00\x00"),                         // channel.open
	{20, 40}: method(20, 41),                                             // channel.close
	{40, 10}: method(40, 11),                                             // exchange.declare
	{50, 10}: method(50, 11, short("q"), "\x00\x00\x00\x05", "\x00\x00\x00\x00"),
	{50, 20}: method(50, 21), // queue.bind
	{60, 10}: method(60, 11), // basic.qos
	{85, 10}: method(85, 11), // confirm.select
}

func (s *server) serve(c net.Conn) {
	w := bufio.NewWriter(c)
	defer func() {
		s.mu.Lock()
		delete(s.links, c)
		s.mu.Unlock()
		_ = c.Close() // the client may have done so
	}()
	r := bufio.NewReader(c)
	if _, err := io.CopyN(io.Discard, r, 8); err != nil {
		return
	}
	_, _ = w.Write(frame(1, 0, method(10, 10, "\x00\x09", "\x00\x00\x00\x00", "\x00\x00\x00\x05PLAIN", "\x00\x00\x00\x05en_US")))
	_ = w.Flush() // the next read tells
	s.mu.Lock()
	s.links[c] = w
	s.mu.Unlock()
	var p publishing
	var tag uint64
	for {
		head := make([]byte, frameHead)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		payload = payload[:len(payload)-1]
		channel := binary.BigEndian.Uint16(head[1:])
		switch head[0] {
		case 1:
			id := [2]uint16{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
			reply := answers[id]
			switch id {
			case [2]uint16{40, 10}, [2]uint16{50, 10}, [2]uint16{50, 20}, [2]uint16{60, 20}:
				s.note(&s.asked, string(payload))
			}
			switch id {
			case [2]uint16{60, 40}: // publish: a short, the exchange, the key
				key := payload[7+int(payload[6]):]
				p = publishing{exchange: string(payload[7 : 7+payload[6]]), queue: string(key[1 : 1+key[0]])}
			case [2]uint16{60, 20}: // consume: a short, the queue, the tag
				at := 7 + int(payload[6])
				reply = method(60, 21, short(string(payload[at+1:at+1+int(payload[at])])))
				s.mu.Lock()
				s.consumer = func(kind byte, payload []byte) { s.say(c, kind, channel, payload) }
				s.mu.Unlock()
			case [2]uint16{60, 30}:
				reply = method(60, 31, short(string(payload[5:5+payload[4]])))
			case [2]uint16{50, 10}:
				s.note(&s.declared, string(payload[4:]))
			case [2]uint16{60, 80}, [2]uint16{60, 120}:
				s.note(&s.settled, string(payload[2:]))
			}
			if reply != nil {
				s.say(c, 1, channel, reply)
			}
		case 2:
			p.header = payload
			if binary.BigEndian.Uint64(payload[4:]) == 0 {
				tag++
				if !s.decide(c, channel, tag, p) {
					return
				}
			}
		case 3:
			p.body = payload
			tag++
			if !s.decide(c, channel, tag, p) {
				return
			}
		}
	}
}

func (s *server) note(list *[]string, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, what)
}

func (s *server) decide(c net.Conn, channel uint16, tag uint64, p publishing) (stay bool) {
	s.mu.Lock()
	s.got = append(s.got, p)
	outcome := s.outcome
	s.mu.Unlock()
	number := string(binary.BigEndian.AppendUint64(nil, tag))
	switch outcome(p) {
	case "ack":
		s.say(c, 1, channel, method(60, 80, number, "\x00"))
	case "nack":
		s.say(c, 1, channel, method(60, 120, number, "\x00"))
	case "return":
		s.say(c, 1, channel, method(60, 50, "\x01\x38", short("NO_ROUTE"), short(""), short(p.queue)))
		s.say(c, 2, channel, p.header)
		if len(p.body) > 0 {
			s.say(c, 3, channel, p.body)
		}
		s.say(c, 1, channel, method(60, 80, number, "\x00"))
	case "close":
		s.say(c, 1, channel, method(20, 40, "\x01\x96", short("PRECONDITION_FAILED"), "\x00\x3c\x00\x28"))
	case "cut":
		return false
	}
	return true
}
