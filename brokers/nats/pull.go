package nats

import (
	"fmt"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers/feed"
)

// A queueTap is one queue of a source.
type queueTap struct {
	*tap
	queue string
	lease time.Duration
	hot   bool // the last pull brought something: there may be more
}

// plan makes the pulls that there is room for. It is called with mu held.
//
// A source of one queue waits there for as many as it has room for. One of several does not know where the next message
// comes from: it waits at each for a single one, and takes more, without waiting, where there was something. When
// messages come at more queues than there is room for, those too many go straight back.
func (s *source) plan() {
	if s.over || s.err != nil {
		return
	}
	single := len(s.taps) == 1
	room, hot := s.limit-len(s.holds), 0
	for _, t := range s.taps {
		if t.left > 0 && time.Now().After(t.till) {
			t.left = 0 // the server forgot it
		}
		switch {
		case t.left > 0 && (single || t.hot):
			room -= t.left
		case t.left == 0 && t.hot:
			hot++
		}
	}
	for i := range s.taps {
		t := s.taps[(s.first+i)%len(s.taps)]
		if t.left > 0 || room <= 0 {
			continue
		}
		n := 1
		switch {
		case single:
			n = room
		case t.hot:
			n = max(1, room/hot)
			room -= n
		}
		if err := t.pull(n, single || !t.hot); err != nil {
			s.loseLocked(fmt.Errorf("pull from %s in nats: %w", t.queue, err))
			return
		}
	}
	if len(s.taps) > 0 {
		s.first = (s.first + 1) % len(s.taps)
	}
}

// hear is told of all that comes to a tap.
func (s *source) hear(t *queueTap, m *client.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch status := t.status(m); {
	case status == "":
		s.receive(t, m)
	case status == statusPast:
	case lost(status):
		s.loseLocked(fmt.Errorf("consume %s from nats at %s: its stream or consumer has gone: %s", t.queue, s.link.addr, status))
	case strings.HasPrefix(status, "409") && strings.Contains(status, "MaxWaiting"):
		t.hot = false // renew's plan tries again
	case strings.HasPrefix(status, "404"), strings.HasPrefix(status, "408"):
		t.hot = false
		s.plan()
	default: // a full pull, a change of leaders
		s.plan()
	}
}

// receive is called with mu held.
func (s *source) receive(t *queueTap, m *client.Msg) {
	if s.over || s.err != nil || len(s.holds) >= s.limit {
		_ = m.Respond(nak) // left unsaid, the lease brings it back
		t.hot = true
		s.plan()
		return
	}
	h := &hold{queue: t.queue, ack: m.Reply, data: m.Data, lease: t.lease, renewed: time.Now()}
	if meta, err := m.Metadata(); err == nil {
		h.again, h.id = meta.NumDelivered > 1, identity(meta)
	}
	s.holds[s.next] = h
	s.inbox = append(s.inbox, s.next)
	s.next++
	t.hot = true
	feed.Signal(s.wake)
	if t.left == 0 {
		s.plan()
	}
}

// identity names a message of any stream, also where the stream was removed and made again.
func identity(m *client.MsgMetadata) string {
	return fmt.Sprintf("%s-%d-%d", m.Stream, m.Sequence.Stream, m.Timestamp.UnixNano())
}
