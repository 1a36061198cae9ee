package stream

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers/redis/lease"
)

const (
	// A consumer that nothing has woken claims all the same after a while, since streams may have been made anew by hand; so
	// much later for each queue, so that it costs no more when there are many.
	lookAnyway = 15 * time.Second
	lookEach   = 2 * time.Second
)

// claim fills the slots, and each time that nothing is left has the bell tell when there is something again.
func (s *subscription) claim() {
	arm := s.hang()
	look := max(lookAnyway, time.Duration(len(s.Queues))*lookEach)
	for {
		if _, more := s.Fill(); !more {
			return
		}
		arm(*s.read.Load())
		s.Pause(look)
	}
}

// Claim implements lease.Layout.
func (s *subscription) Claim(want int, _ uint64, queues []string) lease.Claim[hold] {
	streams := streamsOf(queues...)
	cmd := claimScript.Call(context.Background(), append([]string{returnedKey, consumersKey}, streams...),
		s.ID, want, len(queues), s.b.link.Lease.Milliseconds())
	read := func(answer []any) (got []lease.Message[hold], full bool, err error) {
		if len(answer) != 2 {
			return nil, false, fmt.Errorf("the script's answer has %d parts", len(answer))
		}
		entries, _ := answer[0].([]any)
		for i := 0; i+3 < len(entries); i += 4 {
			place, _ := entries[i].(int64)
			e := entry{queue: queues[int(place-1)%len(queues)]}
			e.deliveries, _ = entries[i+1].(int64)
			id, _ := entries[i+2].(string)
			e.fields, _ = entries[i+3].([]any)
			got = append(got, lease.Message[hold]{Queue: e.queue, Hold: hold{streams[place-1], id}, Unpack: e.unpack})
		}
		ends, _ := answer[1].([]any)
		if len(ends) == 0 {
			return got, true, nil
		}
		read := make(map[string]string, len(ends))
		for i, id := range ends {
			read[streams[i]], _ = id.(string)
		}
		s.read.Store(&read)
		return got, false, nil
	}
	return lease.Claim[hold]{Cmd: cmd, Read: read}
}
