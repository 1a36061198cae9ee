package step

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"taskbench/brokers"
)

// What AMQP 0-9-1 has of frames, and of methods as class<<16 | method.
const (
	amqpMethod    = 1
	amqpHeader    = 2
	amqpBody      = 3
	amqpHeartbeat = 8
	amqpEnd       = 0xCE

	channelOpen   = 20<<16 | 10
	basicConsume  = 60<<16 | 20
	basicPublish  = 60<<16 | 40
	basicDeliver  = 60<<16 | 60
	basicGetOK    = 60<<16 | 71
	basicAck      = 60<<16 | 80
	basicReject   = 60<<16 | 90
	basicNack     = 60<<16 | 120
	confirmSelect = 85<<16 | 10
)

type amqp struct {
	acts     map[string]brokers.Act
	greeted  bool
	channels map[uint16]*amqpChannel
}

// An amqpChannel is what has to be known of a channel to tell how many messages an acknowledgement is about.
type amqpChannel struct {
	confirming bool
	published  uint64
	sent       tags            // published and not confirmed
	held       tags            // delivered and not settled
	unsettled  map[string]bool // consumers that settle nothing
	delivering bool            // the content of a delivery is under way
	left       uint64          // bytes of it
}

func newAMQP(acts map[string]brokers.Act) Parser {
	return &amqp{acts: acts, channels: map[uint16]*amqpChannel{}}
}

var errNotAMQP = errors.New("it does not speak AMQP 0-9-1")

func (p *amqp) Next(from Side, data []byte) (int, []Event, error) {
	if from == Client && !p.greeted {
		const greeting = "AMQP\x00\x00\x09\x01"
		if !bytes.HasPrefix([]byte(greeting), data[:min(len(data), len(greeting))]) {
			return 0, nil, errNotAMQP
		}
		if len(data) < len(greeting) {
			return 0, nil, nil
		}
		p.greeted = true
		return len(greeting), nil, nil
	}
	const head = 7
	if len(data) < head {
		return 0, nil, nil
	}
	kind, size := data[0], binary.BigEndian.Uint32(data[3:])
	switch {
	case kind != amqpMethod && kind != amqpHeader && kind != amqpBody && kind != amqpHeartbeat:
		return 0, nil, fmt.Errorf("%w: a frame of type %d", errNotAMQP, kind)
	case size > largest:
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes", errNotAMQP, size)
	}
	n := head + int(size) + 1
	if len(data) < n {
		return 0, nil, nil
	}
	if data[n-1] != amqpEnd {
		return 0, nil, fmt.Errorf("%w: a frame without its end", errNotAMQP)
	}
	ch, payload := p.channel(binary.BigEndian.Uint16(data[1:])), data[head:n-1]
	if kind == amqpMethod {
		method := uint32(0)
		if len(payload) >= 4 {
			method, payload = binary.BigEndian.Uint32(payload), payload[4:]
		}
		if from == Client {
			return n, ch.asked(method, &words{rest: payload}, p.acts), nil
		}
		return n, ch.told(method, &words{rest: payload}), nil
	}
	if from == Server && ch.delivering {
		return n, ch.content(kind, payload), nil
	}
	return n, nil, nil
}

func (p *amqp) channel(number uint16) *amqpChannel {
	if p.channels[number] == nil {
		p.channels[number] = &amqpChannel{unsettled: map[string]bool{}}
	}
	return p.channels[number]
}

// asked is a method of the client.
func (c *amqpChannel) asked(method uint32, w *words, acts map[string]brokers.Act) []Event {
	switch method {
	case channelOpen:
		*c = amqpChannel{unsettled: map[string]bool{}}
	case confirmSelect:
		c.confirming = true
	case basicConsume:
		w.take(2)
		w.short() // the queue
		tag := w.short()
		if w.number(1)&2 != 0 {
			c.unsettled[string(tag)] = true
		}
	case basicPublish:
		w.take(2)
		w.short() // the exchange
		stores := acts[string(w.short())].Does == brokers.Stores
		if c.confirming {
			c.published++
			if !stores {
				c.sent.add(c.published)
			}
		}
		if stores {
			return event(Result, 1, false)
		}
		return event(Publish, 1, false)
	case basicAck:
		n := c.held.settle(w)
		return append(event(Ack, n, false), event(Acked, n, true)...)
	case basicNack, basicReject:
		if method == basicReject { // its bit is requeue, and not multiple
			w.one = true
		}
		c.held.settle(w)
	}
	return nil
}

// told is a method of the server.
func (c *amqpChannel) told(method uint32, w *words) []Event {
	switch method {
	case basicAck:
		return event(Confirm, c.sent.settle(w), false)
	case basicNack:
		c.sent.settle(w)
	case basicDeliver, basicGetOK:
		if method == basicDeliver && c.unsettled[string(w.short())] {
			return nil
		}
		c.held.add(w.number(8))
		c.delivering = true
		return event(Claim, 1, false)
	}
	return nil
}

// content is a frame of a delivery's content, whose header says how long its body is.
func (c *amqpChannel) content(kind byte, payload []byte) []Event {
	switch w := (&words{rest: payload}); kind {
	case amqpHeader:
		w.take(4) // class and weight
		c.left = w.number(8)
	case amqpBody:
		c.left -= min(c.left, uint64(len(payload)))
	default:
		return nil
	}
	if c.left > 0 {
		return nil
	}
	c.delivering = false
	return event(Deliver, 1, true)
}
