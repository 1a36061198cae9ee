package stream

import (
	"context"
	"encoding/json"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const sweepEvery = 5 * time.Minute

// Restore implements lease.Layout. Failures are left to the next round, or to another consumer: every step is atomic and
// looks again at its reason.
func (s *subscription) Restore(dead []string, old bool) {
	s.bury(dead)
	if old {
		s.collectStrays()
	}
}

// bury gives back what dead consumers held, and takes them out of the groups.
func (s *subscription) bury(dead []string) {
	ctx := context.Background()
	for _, id := range dead {
		var queues []string
		text, err := s.b.link.Client.HGet(ctx, queuesKey, id).Result()
		if err != nil || json.Unmarshal([]byte(text), &queues) != nil {
			queues = s.Queues // all that can be known
		}
		if s.buryOne(ctx, id, queues) {
			s.b.link.Exec(ctx, retirement(id, queues))
		}
	}
}

func (s *subscription) buryOne(ctx context.Context, id string, queues []string) bool {
	for _, q := range queues {
		for _, stream := range streamsOf(q) {
			for more := true; more; {
				cmd := buryScript.Call(ctx, []string{stream, returnedKey, bellOf(q), consumersKey}, id)
				s.b.link.Exec(ctx, cmd)
				n, err := cmd.Int()
				if err != nil || n < 0 {
					return false
				}
				more = n > 0
			}
		}
	}
	return true
}

// collectStrays gives back what somebody else's consumers have held for longer than the visibility timeout.
func (s *subscription) collectStrays() {
	ctx := context.Background()
	var cmds []goredis.Cmder
	for _, q := range s.Queues {
		for _, stream := range streamsOf(q) {
			keys := []string{stream, returnedKey, bellOf(q), consumersKey}
			cmds = append(cmds, straysScript.Call(ctx, keys, s.b.link.Visibility.Milliseconds()))
		}
	}
	s.b.link.Exec(ctx, cmds...)
}
