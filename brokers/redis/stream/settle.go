package stream

import (
	"context"
	"errors"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/redis/lease"
)

var errGone = errors.New("the lease had ended or the group was destroyed, and the message is somebody else's to do")

// plan ends the acked entries of each consumer and stream by one call, and gives back or rejects the others one by one.
func plan(all []lease.Settlement[hold]) (calls []lease.Call) {
	ctx := context.Background()
	type source struct{ consumer, stream string }
	acked := map[source][]int{}
	for i, st := range all {
		switch h := st.Hold; st.Outcome {
		case feed.Requeue:
			calls = append(calls, lease.Call{Cmd: giveBack(st.By.ID, h.stream, st.Queue, 0, h.id), Places: []int{i}})
		case feed.Reject:
			keys := []string{h.stream, streamOf(brokers.DeadLetterQueue(st.Queue), 0)}
			calls = append(calls, lease.Call{Cmd: rejectScript.Call(ctx, keys, st.By.ID, h.id), Places: []int{i}, Single: true})
		default:
			from := source{st.By.ID, h.stream}
			acked[from] = append(acked[from], i)
		}
	}
	for from, places := range acked {
		for part := range slices.Chunk(places, lease.MostAcks) {
			args := make([]any, 1, len(part)+1)
			args[0] = from.consumer
			for _, place := range part {
				args = append(args, all[place].Hold.id)
			}
			calls = append(calls, lease.Call{Cmd: ackScript.Call(ctx, []string{from.stream}, args...), Places: part})
		}
	}
	return calls
}

// Return implements lease.Layout: each goes to its old place. Those that nobody has seen do not count as delivered.
func (s *subscription) Return(held []lease.Held[hold], seen bool) (cmds []goredis.Cmder) {
	type source struct{ stream, queue string }
	ids := map[source][]any{}
	for _, h := range held {
		from := source{h.Hold.stream, h.Queue}
		ids[from] = append(ids[from], h.Hold.id)
	}
	less := 1
	if seen {
		less = 0
	}
	for from, some := range ids {
		cmds = append(cmds, giveBack(s.ID, from.stream, from.queue, less, some...))
	}
	return cmds
}

// giveBack has entries that a consumer holds count as delivered so many times less, and ready.
func giveBack(consumer, stream, queue string, less int, ids ...any) *goredis.Cmd {
	keys := []string{stream, returnedKey, bellOf(queue)}
	return returnScript.Call(context.Background(), keys, append([]any{consumer, less}, ids...)...)
}
