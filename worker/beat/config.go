package beat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat/schedule"
)

// Config is what a Runner works with.
type Config struct {
	Open  func(ctx context.Context) (brokers.Broker, error) // connects; called again after publishing failed
	Store Store
	Lock  Lock // nil: there is no other beat

	CatchUp     CatchUp       // of entries that say nothing
	Lease       time.Duration // how long a beat that is silent keeps the lock; 0 is DefaultLease
	Grace       time.Duration // how late a tick is still in time, at most the gap between two ticks; 0 is 30 s
	MaxInterval time.Duration // the longest sleep, after which a clock that was set is noticed; 0 is 1 s
	Refresh     time.Duration // how often the store is asked for changes; 0 is 5 s
	Resend      bool          // send a tick again of which a beat that died has not said whether it was sent

	Clock Clock        // nil is SystemClock
	Log   *slog.Logger // nil is silence
}

// DefaultLease bounds how long nothing is fired after the beat that fires has died: for the lease and a tenth of it, in
// which the others look.
const DefaultLease = 10 * time.Second

// Stats count what a Runner has done since its start.
type Stats struct {
	Entries  int   // enabled ones
	Leading  bool  // whether this beat is the one that fires
	Sent     int64 // ticks that the broker has accepted
	Failed   int64 // attempts that it has not
	Missed   int64 // ticks that were left out by the policies
	Doubtful int64 // ticks of a beat that died, of which nobody knows whether they were sent
}

// setDefaults fills what is zero, and returns all that is wrong.
func (c *Config) setDefaults() error {
	var wrong []error
	if c.Open == nil || c.Store == nil {
		wrong = append(wrong, errors.New("it needs a broker and a store"))
	}
	def := func(d *time.Duration, name string, is, least time.Duration) {
		if *d == 0 {
			*d = is
		}
		if *d < least {
			wrong = append(wrong, fmt.Errorf("%s is %s and must be at least %s", name, *d, least))
		}
	}
	def(&c.Lease, "the lease", DefaultLease, 500*time.Millisecond)
	def(&c.Grace, "the grace", 30*time.Second, time.Millisecond)
	def(&c.MaxInterval, "the longest sleep", time.Second, time.Millisecond)
	def(&c.Refresh, "the time between looks for changes", 5*time.Second, time.Millisecond)
	if c.CatchUp.Policy == "" {
		c.CatchUp.Policy = schedule.Once
	}
	if _, err := schedule.ParseCatchUp(string(c.CatchUp.Policy)); err != nil {
		wrong = append(wrong, err)
	}
	if c.CatchUp.Limit == 0 {
		c.CatchUp.Limit = 100
	}
	if c.CatchUp.Limit < 0 || c.CatchUp.Deadline < 0 {
		wrong = append(wrong, errors.New("limit and deadline must not be negative"))
	}
	if c.Clock == nil {
		c.Clock = SystemClock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(wrong...)
}

// over returns the entry's own policy, and the rest from the default.
func (c CatchUp) over(def CatchUp) CatchUp {
	if c.Policy == "" {
		c.Policy = def.Policy
	}
	if c.Limit == 0 {
		c.Limit = def.Limit
	}
	if c.Deadline == 0 {
		c.Deadline = def.Deadline
	}
	return c
}
