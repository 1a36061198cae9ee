package step

import (
	"encoding/binary"
	"errors"
	"fmt"

	"taskbench/brokers"
)

// What MongoDB's protocol and BSON have of numbers that matter here.
const (
	mongoMsg  = 2013
	mongoMore = 1 << 1 // of the flags: no answer is wanted, or another one follows

	bsonDouble   = 0x01
	bsonString   = 0x02
	bsonDocument = 0x03
	bsonArray    = 0x04
	bsonInt32    = 0x10
	bsonInt64    = 0x12
)

type mongo struct {
	acts  map[string]brokers.Act
	asked map[uint32]done // what is to be answered, by the request's number
}

func newMongo(acts map[string]brokers.Act) Parser {
	return &mongo{acts: acts, asked: map[uint32]done{}}
}

var errNotMongo = errors.New("it does not speak MongoDB's protocol")

func (p *mongo) Next(from Side, data []byte) (int, []Event, error) {
	const head = 16
	if len(data) < head {
		return 0, nil, nil
	}
	length, id := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
	to, op := binary.LittleEndian.Uint32(data[8:]), binary.LittleEndian.Uint32(data[12:])
	switch {
	case length < head || length > largest:
		return 0, nil, fmt.Errorf("%w: a message of %d bytes", errNotMongo, length)
	case op != mongoMsg && op != 1 && op != 2004: // the old words, in which a client says hello
		return 0, nil, fmt.Errorf("%w, or compresses it: operation %d", errNotMongo, op)
	}
	n := int(length)
	if len(data) < n {
		return 0, nil, nil
	}
	if op != mongoMsg {
		return n, nil, nil
	}
	m := readMongo(data[head:n])
	if from == Client {
		return n, p.ask(id, m), nil
	}
	d, ours := p.asked[to]
	delete(p.asked, to)
	if !ours {
		return n, nil, nil
	}
	return n, answeredMongo(d, m), nil
}

func (p *mongo) ask(id uint32, m mongoMessage) []Event {
	command, what, _ := element(m.body, 0)
	act, ours := p.acts[command+" "+text32(what)]
	if !ours || m.flags&mongoMore != 0 {
		return nil
	}
	d := done{act: act, count: m.count(command)}
	p.asked[id] = d
	switch act.Does {
	case brokers.Publishes:
		return event(Publish, d.count, false)
	case brokers.Acknowledges:
		return event(Ack, d.count, false)
	case brokers.Claims:
	}
	return nil
}

// answeredMongo goes by the number that the server says it has written or removed.
func answeredMongo(d done, m mongoMessage) []Event {
	n := int(number(field(m.body, "n")))
	switch d.act.Does {
	case brokers.Publishes:
		return event(Confirm, n, false)
	case brokers.Acknowledges:
		return event(Acked, n, false)
	case brokers.Claims:
		return append(event(Claim, n, false), event(Deliver, n, true)...)
	}
	return nil
}

// A mongoMessage is the body of one, and the documents that stand beside it.
type mongoMessage struct {
	flags uint32
	body  []byte
	rest  [][]byte
}

func readMongo(data []byte) (m mongoMessage) {
	if len(data) < 4 {
		return m
	}
	m.flags = binary.LittleEndian.Uint32(data)
	for data = data[4:]; len(data) > 5; {
		kind := data[0]
		size := int(int32(binary.LittleEndian.Uint32(data[1:])))
		if size < 5 || size > len(data)-1 {
			return m // the rest is a checksum, or nonsense
		}
		section := data[1 : 1+size]
		data = data[1+size:]
		if kind == 0 {
			m.body = section
			continue
		}
		w := words{rest: section[4:]}
		w.text() // what the documents are
		for len(w.rest) >= 5 {
			size := int(int32(binary.LittleEndian.Uint32(w.rest)))
			if size < 5 || size > len(w.rest) {
				return m
			}
			m.rest = append(m.rest, w.take(size))
		}
	}
	return m
}

// count is how many messages a command is about: the documents that are inserted, or those that a removal lists by name.
func (m mongoMessage) count(command string) int {
	if command != "delete" {
		return max(1, len(m.rest))
	}
	names := 0
	for _, d := range m.rest {
		list := field(document(field(document(field(d, "q")), "_id")), "$in")
		for at := 0; ; names++ {
			_, _, next := element(document(list), at)
			if next == 0 {
				break
			}
			at = next
		}
	}
	return max(1, names)
}
