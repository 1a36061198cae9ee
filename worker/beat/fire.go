package beat

import (
	"context"
	"errors"
	"time"

	"taskbench/brokers"
)

// patience bounds the sending of one batch.
const patience = 5 * time.Second

// A shot is one tick to be sent.
type shot struct {
	*item
	tick    time.Time
	message brokers.Message
}

// fire sends one tick of each item that is due, and gives the items back.
func (r *Runner) fire(ctx context.Context, batch []*item, wall time.Time) {
	defer func() {
		for _, it := range batch {
			if _, waits := r.later[it]; !waits {
				r.put(it)
			}
		}
	}()
	shots, passed := r.draw(batch, wall)
	r.note(ctx, passed)
	if len(shots) == 0 || !r.claim(ctx, shots) {
		return
	}
	tenure, left := r.tenancy.left()
	if tenure != r.tenure || left == 0 {
		return // step says so
	}
	errs := r.publish(ctx, shots, min(left, patience))
	r.conclude(ctx, shots, errs)
}

// draw chooses the ticks, and returns the marks of items that have passed some without sending any.
func (r *Runner) draw(batch []*item, wall time.Time) (shots []shot, passed []Mark) {
	for _, it := range batch {
		policy := it.CatchUp.over(r.cfg.CatchUp)
		tick, missed, err := it.choose(wall, policy, r.cfg.Grace)
		r.tellMissed(it, missed, policy.Policy)
		if err == nil && !tick.IsZero() {
			var m brokers.Message
			if m, err = it.message(tick, wall); err == nil {
				shots = append(shots, shot{it, tick, m})
				continue
			}
			it.mark.Last = tick // it can never be sent
		}
		if err == nil {
			err = it.aim()
		}
		if err != nil {
			r.log.Error("a tick cannot be made", "entry", it.Name, "scheduled", tick, "error", err)
			if it.aim() != nil {
				it.due = time.Time{}
			}
		}
		passed = append(passed, it.mark)
	}
	return shots, passed
}

// claim writes down what is about to be sent. Under a lock nothing is sent that is not written.
func (r *Runner) claim(ctx context.Context, shots []shot) bool {
	marks := make([]Mark, len(shots))
	for i, s := range shots {
		marks[i] = s.mark
		marks[i].Claim = s.tick
	}
	if r.lock == nil {
		_ = r.store.write(ctx, marks) // told by the book; beat goes on in memory
		return true
	}
	err := r.lock.claim(ctx, marks)
	if err == nil {
		return true
	}
	if errors.Is(err, ErrLost) {
		r.tenancy.lose(r.tenure)
		return false
	}
	if r.outage == 0 {
		r.log.Error("the lock cannot be reached: nothing is sent", "error", err)
	}
	r.pause()
	return false
}

// publish returns an error for each shot.
func (r *Runner) publish(ctx context.Context, shots []shot, within time.Duration) []error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	errs := make([]error, len(shots))
	if err := r.connect(ctx); err != nil {
		for i := range errs {
			errs[i] = brokers.Refuse(err)
		}
		return errs
	}
	if batcher, ok := r.broker.(brokers.Batcher); ok && len(shots) > 1 {
		messages := make([]brokers.Message, len(shots))
		for i, s := range shots {
			messages[i] = s.message
		}
		return batcher.PublishBatch(ctx, messages)
	}
	failures := 0 // one may be of one message's own making
	for i, s := range shots {
		if failures > 2 || failures > 0 && ctx.Err() != nil {
			errs[i] = brokers.Refusef("it was not tried, as others failed: %w", errs[i-1])
			continue
		}
		if errs[i] = r.broker.Publish(ctx, s.message); errs[i] != nil {
			failures++
		}
	}
	return errs
}

// conclude notes what became of the shots.
func (r *Runner) conclude(ctx context.Context, shots []shot, errs []error) {
	marks := make([]Mark, len(shots))
	_, steady := r.cfg.Clock()
	var failed error
	failures := 0
	for i, s := range shots {
		if errs[i] == nil {
			r.tellMissed(s.item, s.sent(s.tick), s.CatchUp.over(r.cfg.CatchUp).Policy)
		} else {
			failures++
			failed = errs[i]
			s.tried = s.tick
			if s.tries++; s.tries == 1 {
				s.since = steady
			}
			r.later[s.item] = steady + backoff(s.tries, 30*time.Second)
		}
		if err := s.aim(); err != nil {
			r.log.Error("an entry cannot be scheduled any more", "entry", s.Name, "error", err)
			s.due = time.Time{}
		}
		marks[i] = s.mark
		if errs[i] != nil && !brokers.Definite(errs[i]) {
			marks[i].Claim = s.tick // if this beat dies now, nobody knows
		}
	}
	r.count(func(s *Stats) { s.Sent += int64(len(shots) - failures); s.Failed += int64(failures) })
	switch {
	case failures == len(shots):
		if r.outage == 0 {
			r.log.Error("cannot send: what is due is kept", "ticks", failures, "entry", shots[0].Name, "error", failed)
		}
		r.disconnect()
		r.pause()
	case failures > 0:
		r.log.Error("some ticks cannot be sent: they are kept", "ticks", failures, "of", len(shots), "error", failed)
	}
	if failures < len(shots) {
		r.success = steady + 1 // later than what failed beside it
		if r.outage > 0 {
			r.log.Info("sending again")
			r.outage = 0
			r.release(func(*item) bool { return true }) // in the order in which they were due
		}
	}
	r.note(ctx, marks)
}

// pause begins or prolongs an outage.
func (r *Runner) pause() {
	_, steady := r.cfg.Clock()
	r.outage++
	r.retry = steady + backoff(r.outage, time.Second)
}

// backoff grows from 50 ms by doubling.
func backoff(n int, most time.Duration) time.Duration {
	return min(50*time.Millisecond<<min(n-1, 16), most)
}

// note writes marks down: under the lock, and in the store.
func (r *Runner) note(ctx context.Context, marks []Mark) {
	if len(marks) == 0 {
		return
	}
	if r.lock != nil {
		if err := r.lock.write(ctx, marks); errors.Is(err, ErrLost) {
			r.tenancy.lose(r.tenure)
		}
	}
	_ = r.store.write(ctx, marks) // told by the book, which tries again
}

func (r *Runner) owing() bool { return len(r.store.owed) > 0 || r.lock != nil && len(r.lock.owed) > 0 }

// settle writes what is owed, if that is still ours to do.
func (r *Runner) settle(ctx context.Context) {
	if r.lock != nil && r.tenure != 0 {
		_ = r.lock.write(ctx, nil)
	}
	_ = r.store.write(ctx, nil)
}

// connect opens the broker, unless it is open.
func (r *Runner) connect(ctx context.Context) error {
	if r.broker != nil {
		return nil
	}
	b, err := r.cfg.Open(ctx)
	if err == nil {
		r.broker = b
	}
	return err
}

// getReady connects while nothing is due, for as long as that is so: the first tick would be late by what it takes. Where
// it cannot be done, that is told when something is due.
func (r *Runner) getReady(ctx context.Context, within time.Duration) {
	if r.broker != nil || len(r.queue) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(within, patience))
	defer cancel()
	_ = r.connect(ctx)
}

func (r *Runner) disconnect() {
	if r.broker != nil {
		_ = r.broker.Close() // it is given up
		r.broker = nil
	}
}
