package sqlite

import (
	"context"
	"errors"
	"fmt"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A source feeds the messages that one subscription claims to its consumer.
type source struct {
	*feed.Intake
	consumer *consumer
	queues   []string
	turn     int // the queue that is claimed from first next time
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	return &source{Intake: feed.NewIntake(prefetch, c.Lost()), consumer: c, queues: queues}
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	if err := s.Run(s.claimSome, lease, nil); err != nil {
		s.consumer.Lose(fmt.Errorf("take messages from %q: %w", s.queues, err))
	}
}

// claimSome takes at most room messages. It writes only if there is something to take. Nothing keeps the writer waiting for
// long, and what it has taken must not be left behind: a claim is not given up.
func (s *source) claimSome(_ context.Context, room int) (got int, err error) {
	queues, err := s.nonempty()
	if err != nil || len(queues) == 0 {
		return 0, err
	}
	var claimed []feed.Claimed
	err = s.consumer.broker.out.do(context.Background(), func(st *statements) error {
		claimed = claimed[:0]
		for i, q := range queues {
			fair := max(1, (room-len(claimed))/(len(queues)-i))
			if room == len(claimed) {
				break
			}
			rows, err := st.claim(s.consumer.id, q, fair)
			if err != nil {
				return err
			}
			claimed = append(claimed, rows...)
		}
		return nil
	}, nil)
	if err != nil {
		return 0, err
	}
	s.Hold(claimed, len(claimed) > 0) // there was something; whether there is more is seen next time
	return len(claimed), nil
}

// nonempty returns the queues that have something ready, beginning with another one each time.
func (s *source) nonempty() (queues []string, err error) {
	for i := range s.queues {
		q := s.queues[(s.turn+i)%len(s.queues)]
		var ready bool
		err := s.consumer.broker.any.QueryRow(q).Scan(&ready)
		if err != nil {
			return nil, brokers.Refuse(explain(err, s.consumer.broker.file)) // nothing was changed
		}
		if ready {
			queues = append(queues, q)
		}
	}
	s.turn++
	return queues, nil
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	for _, r := range s.Intake.Take() {
		m, err := envelope.Decode(r.Envelope)
		if err != nil {
			m = brokers.Message{Body: r.Envelope} // a foreign row: the receiver shall see it and reject it
		}
		m.Queue = r.Queue
		buf = append(buf, feed.Item{Tag: uint64(r.ID), Message: m, Redelivered: r.Handed > 0, Deliveries: r.Handed + 1})
	}
	return buf
}

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	id := int64(tag)
	queue := s.Queue(id)
	if err := s.consumer.Cause(); err != nil {
		return fmt.Errorf("settle message: %w", err)
	}
	ours := true
	err := s.consumer.broker.out.do(ctx, func(st *statements) (err error) {
		ours, err = st.settle(s.consumer.id, id, queue, o)
		return err
	}, func(err error) {
		if err == nil {
			s.settled(id, o)
		}
	})
	if err == nil && !ours {
		err = errLapsed
	}
	if err != nil {
		return fmt.Errorf("settle message: %w", err)
	}
	return nil
}

// settled makes room, and lets everybody here know of what was given back.
func (s *source) settled(id int64, o feed.Outcome) {
	s.Drop(id)
	s.Poke(false)
	if o != feed.Ack {
		s.consumer.changed()
	}
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if err := s.Intake.SetPrefetch(n); err != nil {
		return err
	}
	return s.consumer.Cause()
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	rest, _ := s.Intake.End(lease)
	s.consumer.Remove(s)
	unseen = append(unseen, rest...)
	if len(unseen) == 0 {
		return
	}
	err := s.consumer.broker.out.do(context.Background(), func(st *statements) error {
		for _, tag := range unseen {
			if _, err := st.settle(s.consumer.id, int64(tag), "", feed.Unseen); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		if err == nil {
			s.consumer.changed()
		}
	})
	if err != nil && !errors.Is(err, brokers.ErrClosed) {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.Lose(fmt.Errorf("give back %d messages: %w", len(unseen), err))
	}
}
