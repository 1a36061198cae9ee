package redis

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
)

// How often a consumer looks for what is due: a delayed message is up to so much late.
const (
	dueLook  = time.Second
	dueAtOne = 500 // messages moved in one call
)

// A delayed message is on its way to where it waits.
type delayed struct {
	name, list string
	value      []byte
	until      time.Time
}

// Delay implements brokers.Delayer. Any consumer on the same database moves the message to its list.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	value, err := kombu.Encode(m, "", m.Queue)
	if err != nil {
		return err
	}
	d := delayed{name: nameOf(m, until), list: listOf(m.Queue, m.Priority), value: value, until: until}
	if err := b.delays.Do(ctx, d, nil); err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// nameOf is the same for the same message, so that delaying it twice stores it once.
func nameOf(m brokers.Message, until time.Time) string {
	if m.CorrelationID == "" {
		return kombu.Identity()
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %v %d ", m.Queue, m.CorrelationID, m.Headers, until.UnixMilli()) // a map is printed in order
	h.Write(m.Body)
	return string(h.Sum(nil)[:16])
}

// sendDelays stores what waits in one exchange.
func (b *broker) sendDelays(all []delayed) []error {
	ctx := context.Background()
	errs := make([]error, 0, len(all))
	for len(all) > 0 {
		n := min(len(all), exchangeCount)
		cmds := make([]goredis.Cmder, n)
		for i, d := range all[:n] {
			cmds[i] = invoke(ctx, delayScript, []string{delayedKey, delayedBy}, d.name, d.list, d.value, d.until.UnixMilli())
		}
		b.exec(ctx, cmds...)
		for _, cmd := range cmds {
			errs = append(errs, judge(cmd.Err()))
		}
		all = all[n:]
	}
	return errs
}

// moveDue moves what is due to its lists, until the subscription is halted. Failures are left to the next look: a
// link that is lost is noticed by others.
func (s *subscription) moveDue() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.stop:
			return
		case <-s.lost:
			return
		}
		cmd := invoke(context.Background(), dueScript, []string{delayedKey, delayedBy}, dueAtOne)
		s.b.exec(context.Background(), cmd)
		look := dueLook
		if got, err := cmd.Int64Slice(); err == nil && len(got) == 2 {
			if got[0] > 0 {
				signal(s.knock)
			}
			if got[1] >= 0 {
				look = min(look, max(time.Duration(got[1])*time.Millisecond, time.Millisecond))
			}
		}
		timer.Reset(look)
	}
}
