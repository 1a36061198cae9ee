package redis

import (
	"context"
	"errors"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/lease"
)

var errGone = errors.New("the lease had ended and the message was given to somebody else")

// plan ends the acked bookings of each consumer by one call, and moves the others one by one.
func plan(all []lease.Settlement[string]) (calls []lease.Call) {
	acked := map[string][]int{}
	for i, st := range all {
		var cmd *goredis.Cmd
		switch st.Outcome {
		case feed.Requeue:
			cmd = move(st.By.ID, st.Tag, listOf(st.Held), "LPUSH", marked(st.Hold))
		case feed.Reject:
			cmd = move(st.By.ID, st.Tag, brokers.DeadLetterQueue(st.Queue), "LPUSH", st.Hold)
		default:
			acked[st.By.ID] = append(acked[st.By.ID], i)
			continue
		}
		calls = append(calls, lease.Call{Cmd: cmd, Places: []int{i}, Single: true})
	}
	for id, places := range acked {
		for part := range slices.Chunk(places, lease.MostAcks) {
			tags := make([]any, len(part))
			for i, place := range part {
				tags[i] = bookingName(id, all[place].Tag)
			}
			cmd := ackScript.Call(context.Background(), []string{unackedKey, indexKey, heldBy(id)}, tags...)
			calls = append(calls, lease.Call{Cmd: cmd, Places: part})
		}
	}
	return calls
}

// Return implements lease.Layout: messages go to the front of their lists, and those that were handed out are marked.
func (s *subscription) Return(held []lease.Held[string], seen bool) []goredis.Cmder {
	cmds := make([]goredis.Cmder, len(held))
	for i, h := range held {
		raw := h.Hold
		if seen {
			raw = marked(raw)
		}
		cmds[i] = move(s.ID, h.Tag, listOf(h), "RPUSH", raw)
	}
	return cmds
}

// move ends a booking of a consumer and puts the message on a list, by the command how.
func move(id string, tag uint64, list, how, raw string) *goredis.Cmd {
	return moveScript.Call(context.Background(), []string{unackedKey, indexKey, heldBy(id), list}, bookingName(id, tag), how, raw)
}

// listOf is where a message was taken from.
func listOf(h lease.Held[string]) string {
	m, _ := kombu.Decode(h.Queue, h.Hold)
	return keys.ListOf(h.Queue, m.Priority)
}
