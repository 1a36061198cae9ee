package stream

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/redis/link"
)

// A settlement is one outcome on its way to the server.
type settlement struct {
	sub     *subscription
	hold    hold
	outcome feed.Outcome
}

var errGone = errors.New("the lease had ended or the group was destroyed, and the message is somebody else's to do")

// mostAcks bounds the arguments of a script.
const mostAcks = 1000

// A call settles messages, whose places are known, by one command. Its answer is the numbers, from one on, of those that
// were not held; of a reject, whether it was.
type call struct {
	cmd    *goredis.Cmd
	places []int
	reject bool
}

// sendSettlements ends the acked entries of each consumer and stream by one call, and gives back or rejects the others
// one by one, all in one exchange, in which consumers claim as well.
func (b *broker) sendSettlements(all []settlement) []error {
	calls, acks := plan(all)
	cmds := make([]goredis.Cmder, 0, len(calls)+len(acks))
	for _, c := range calls {
		cmds = append(cmds, c.cmd)
	}
	claims := map[*subscription]*claim{}
	for sub, n := range acks {
		if c := sub.along(n); c != nil {
			claims[sub] = c
			cmds = append(cmds, c.cmd)
		}
	}
	b.link.Exec(context.Background(), cmds...)
	for sub, c := range claims {
		if err := sub.claimed(c); err != nil {
			sub.lose(link.Judgef(err, "claim from redis"))
		}
		sub.claiming.Unlock()
	}

	errs := make([]error, len(all))
	for _, c := range calls {
		c.outcomes(errs)
	}
	return errs
}

// plan makes the calls, and counts what each consumer acknowledges.
func plan(all []settlement) (calls []call, acks map[*subscription]int) {
	ctx := context.Background()
	type source struct {
		sub    *subscription
		stream string
	}
	acked := map[source][]int{}
	acks = map[*subscription]int{}
	for i, st := range all {
		switch h := st.hold; st.outcome {
		case feed.Requeue:
			calls = append(calls, call{cmd: returnScript.Call(ctx, h.returning(), st.sub.id, 0, h.id), places: []int{i}})
		case feed.Reject:
			keys := []string{h.stream, streamOf(brokers.DeadLetterQueue(h.queue), 0)}
			calls = append(calls, call{cmd: rejectScript.Call(ctx, keys, st.sub.id, h.id), places: []int{i}, reject: true})
		default:
			from := source{st.sub, h.stream}
			acked[from] = append(acked[from], i)
			acks[st.sub]++
		}
	}
	for from, places := range acked {
		for len(places) > 0 {
			n := min(len(places), mostAcks)
			args := make([]any, 1, n+1)
			args[0] = from.sub.id
			for _, place := range places[:n] {
				args = append(args, all[place].hold.id)
			}
			calls = append(calls, call{cmd: ackScript.Call(ctx, []string{from.stream}, args...), places: places[:n]})
			places = places[n:]
		}
	}
	return calls, acks
}

func (c call) outcomes(errs []error) {
	if c.reject {
		held, err := c.cmd.Int()
		if errs[c.places[0]] = link.Judge(err); err == nil && held == 0 {
			errs[c.places[0]] = errGone
		}
		return
	}
	gone, err := c.cmd.Int64Slice()
	for _, place := range c.places {
		errs[place] = link.Judge(err)
	}
	for _, g := range gone {
		errs[c.places[g-1]] = errGone
	}
}

// Settle implements feed.Source.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	h, ok := s.look(tag)
	if !ok {
		return errGone
	}
	err := s.b.settles.Do(ctx, settlement{s, h, o}, func(err error) { s.settled(tag, err) })
	if err != nil {
		return fmt.Errorf("settle a message of %s: %w", h.queue, err)
	}
	return nil
}
