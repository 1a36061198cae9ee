package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// What a consumer says of a message.
var (
	ack      = []byte("+ACK")
	nak      = []byte("-NAK")
	term     = []byte("+TERM")
	progress = []byte("+WPI")
)

// Settle implements feed.Source. The server answers when it has done what it was told.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	s.mu.Lock()
	h, held := s.holds[tag]
	if held && time.Since(h.renewed) > h.lease {
		s.loseLocked(errLapsed)
	}
	err := s.err
	s.mu.Unlock()
	if err == nil && !held {
		err = errLapsed
	}
	if err == nil {
		err = s.tell(ctx, h, o)
		s.settled(tag, err)
	}
	if err != nil {
		return fmt.Errorf("settle a message in nats: %w", err)
	}
	return nil
}

func (s *source) tell(ctx context.Context, h *hold, o feed.Outcome) error {
	word := ack
	switch o {
	case feed.Requeue, feed.Unseen:
		word = nak
	case feed.Reject:
		if err := s.setAside(ctx, h); err != nil {
			return err
		}
		word = term
	case feed.Ack:
	}
	_, err := s.link.ask(ctx, h.ack, nil, word)
	if errors.Is(err, errNobody) {
		return fmt.Errorf("its stream or consumer has gone: %w", errNobody)
	}
	return err
}

// settled makes room. After an outcome that nobody knows the message is no longer renewed: unless it is settled, it comes
// back when its lease ends.
func (s *source) settled(tag uint64, err error) {
	if err != nil && brokers.Definite(err) {
		return // still held, and may be tried again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holds, tag)
	s.checkDone()
	s.plan()
}

// setAside stores a copy of what is rejected before it is removed from its queue. The copy carries an id that makes the
// server drop a second one, for when the answer to the first did not come.
func (s *source) setAside(ctx context.Context, h *hold) error {
	dead := brokers.DeadLetterQueue(h.queue)
	if err := fits(dead); err != nil {
		return fmt.Errorf("set aside in %s: %w", dead, err)
	}
	header := client.Header{"Nats-Msg-Id": {h.id}}
	to := queueOf(dead)
	if err := s.b.store(ctx, s.link, to, to.subject, header, h.data); err != nil {
		return fmt.Errorf("set aside in %s: %w", dead, err)
	}
	return nil
}
