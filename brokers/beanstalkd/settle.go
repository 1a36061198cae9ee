package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

var errGone = errors.New("its time to run had passed, and it was given to somebody else")

// Settle implements feed.Source.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	h, err := s.look(tag)
	if err == nil {
		err = s.settle(ctx, tag, h, o)
	}
	if err != nil {
		return fmt.Errorf("settle a message: %w", err)
	}
	return nil
}

func (s *subscription) settle(ctx context.Context, tag uint64, h *hold, o feed.Outcome) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	outcome := newAnswers()
	tell := func(r reply, err error) {
		if err == nil || !brokers.Definite(err) {
			s.forget(tag)
		}
		outcome.tell(r, err)
	}
	var c *call
	switch o {
	case feed.Ack:
		c = command(finally(tell, "DELETED"), "delete %d", h.id)
	case feed.Reject:
		c = command(func(r reply, err error) { h.bury(r, err, tell) }, "peek %d", h.id)
	default:
		c = command(finally(tell, "RELEASED"), "release %d %d 0", h.id, h.priority)
	}
	h.hand.send(c)
	_, err := outcome.await(ctx, c)
	return err
}

// finally tells what the reply to the last command of a settling means.
func finally(tell func(reply, error), word string) func(reply, error) {
	return func(r reply, err error) {
		switch {
		case err != nil:
		case r.word == "NOT_FOUND":
			err = errGone
		default:
			err = r.demand(word)
		}
		tell(r, err)
	}
}

// bury goes on with the rejecting of a message that has been read again: a copy goes to the tube of dead letters, and
// then the message goes. Where the server takes no copy, the message is buried where it is.
func (h *hold) bury(peeked reply, err error, tell func(reply, error)) {
	if err != nil || peeked.word != "FOUND" {
		finally(tell, "FOUND")(peeked, err)
		return
	}
	inPlace := func() {
		h.hand.send(command(finally(tell, "BURIED"), "bury %d %d", h.id, h.priority))
	}
	tube, err := tubeOf(brokers.DeadLetterQueue(h.queue))
	if err != nil { // the name is too long
		inPlace()
		return
	}
	c := putting(tube, h.priority, 0, h.ttr, peeked.body)
	c.then = func(r reply, err error) {
		switch {
		case err == nil && r.word == "INSERTED":
			h.hand.send(command(finally(midway(tell), "DELETED"), "delete %d", h.id))
		case err == nil && refusals[r.word] != "":
			inPlace()
		default:
			finally(tell, "INSERTED")(r, err)
		}
	}
	h.hand.send(c)
}

// midway makes no error Definite any more: something has been done.
func midway(tell func(reply, error)) func(reply, error) {
	return func(r reply, err error) {
		if err != nil && !errors.Is(err, errGone) {
			err = unanswered{err}
		}
		tell(r, err)
	}
}

// giveBack releases messages that nobody has seen, in their order. What cannot be given back now goes back when its
// link ends.
func (s *subscription) giveBack(tags []uint64) {
	slices.Sort(tags)
	outcomes := make([]answers, 0, len(tags))
	for _, tag := range tags {
		h, err := s.look(tag)
		if err != nil {
			continue
		}
		outcome := newAnswers()
		outcomes = append(outcomes, outcome)
		h.hand.send(command(finally(func(r reply, err error) {
			if err == nil || errors.Is(err, errGone) {
				s.forget(tag)
			}
			outcome.tell(r, err)
		}, "RELEASED"), "release %d %d 0", h.id, h.priority))
	}
	for _, outcome := range outcomes {
		if got := <-outcome; got.err != nil && !errors.Is(got.err, errGone) {
			s.lose(fmt.Errorf("give messages back: %w", got.err))
		}
	}
}
