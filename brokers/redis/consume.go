package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/redis/link"
)

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from redis: no queue was named")
	}
	s := newSubscription(b, queues, prefetch)
	registered := make(chan error, 1)
	go func() { registered <- s.register(ctx) }()
	select {
	case err := <-registered:
		if err == nil {
			err = b.enlist(s)
		}
		if err != nil {
			s.unsubscribe()
			// The link's own deadline is the context's, and may be noticed first.
			if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
				err = brokers.Refuse(context.DeadlineExceeded)
			}
			return nil, link.Judgef(err, "consume from redis")
		}
	case <-ctx.Done():
		go func() {
			<-registered //nolint:errcheck // nobody waits for its outcome any more
			s.unsubscribe()
		}()
		return nil, brokers.Refusef("consume from redis: %w", ctx.Err())
	}
	s.start()
	return feed.Consume(ctx, s, feed.Signals{Wake: s.filled, Lost: s.lost, Cause: s.cause}), nil
}

// register makes the consumer known, so that its claims have an owner, and writes the bindings of its queues. Only
// kombu's named exchanges need those, so that a server without memory for them may still be consumed from.
func (s *subscription) register(ctx context.Context) error {
	renewal := s.renewal(ctx)
	cmds := []goredis.Cmder{renewal}
	for _, q := range s.queues {
		cmds = append(cmds, bind(ctx, q))
	}
	s.b.link.Exec(ctx, cmds...)
	if err := renewal.Err(); err != nil {
		return err
	}
	return s.subscribe(ctx)
}

// A settlement is one outcome on its way to the server.
type settlement struct {
	sub *subscription
	tag string
	to  string // the list the message goes to, "" for none
	how string // LPUSH or RPUSH
	raw string // what goes there
}

var errGone = errors.New("the lease had ended and the message was given to somebody else")

// sendSettlements ends the acked bookings of each consumer by one call, and moves the others one by one, all in
// one exchange, in which consumers claim as well.
func (b *broker) sendSettlements(all []settlement) []error {
	const most = 1000 // arguments of a script
	ctx := context.Background()
	type ack struct {
		cmd    *goredis.Cmd
		places []int
	}
	var cmds []goredis.Cmder
	var acks []ack
	moves := map[int]*goredis.Cmd{}
	bySub := map[*subscription][]int{}
	claims := map[*subscription]*claim{}
	for i, st := range all {
		if st.to == "" {
			bySub[st.sub] = append(bySub[st.sub], i)
			continue
		}
		moves[i] = moveScript.Call(ctx, []string{unackedKey, indexKey, st.sub.held, st.to}, st.tag, st.how, st.raw)
		cmds = append(cmds, moves[i])
	}
	for sub, places := range bySub {
		acked := len(places)
		for len(places) > 0 {
			n := min(len(places), most)
			tags := make([]any, n)
			for i, place := range places[:n] {
				tags[i] = all[place].tag
			}
			cmd := ackScript.Call(ctx, []string{unackedKey, indexKey, sub.held}, tags...)
			acks = append(acks, ack{cmd, places[:n]})
			cmds = append(cmds, cmd)
			places = places[n:]
		}
		if c := sub.along(acked); c != nil {
			claims[sub] = c
			cmds = append(cmds, c.cmd)
		}
	}
	b.link.Exec(ctx, cmds...)
	for sub, c := range claims {
		if _, err := sub.claimed(c); err != nil {
			sub.lose(fmt.Errorf("claim from redis: %w", err))
		}
		sub.claiming.Unlock()
	}

	errs := make([]error, len(all))
	for i, cmd := range moves {
		if moved, err := cmd.Int(); err != nil {
			errs[i] = link.Judge(err)
		} else if moved == 0 {
			errs[i] = errGone
		}
	}
	for _, a := range acks {
		gone, err := a.cmd.Int64Slice()
		for _, place := range a.places {
			errs[place] = link.Judge(err)
		}
		for _, g := range gone {
			errs[a.places[g-1]] = errGone
		}
	}
	return errs
}

// Settle implements feed.Source.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	h, ok := s.look(tag)
	if !ok {
		return errGone
	}
	st := settlement{sub: s, tag: s.name(tag)}
	switch o {
	case feed.Requeue:
		st.to, st.how, st.raw = h.list(), "LPUSH", marked(h.raw)
	case feed.Reject:
		st.to, st.how, st.raw = brokers.DeadLetterQueue(h.queue), "LPUSH", h.raw
	}
	err := s.b.settles.Do(ctx, st, func(err error) { s.settled(tag, err) })
	if err != nil {
		return fmt.Errorf("settle a message of %s: %w", h.queue, err)
	}
	return nil
}
