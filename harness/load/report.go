package load

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Report says what the generator did, so that a run whose load was not what was asked can be declared void.
type Report struct {
	Asked   int // tasks that fell due, those that others publish not counted
	Offered int // of them, those whose publishing was attempted
	OK      int
	Failed  int // provably not stored
	Unknown int
	Unsent  int // fell due, but the run was cancelled before a publisher was free

	// Schedule is how late tasks were handed to the publishers: the generator's own fault.
	Schedule Lag
	// Lag is how late their publishing began: the above, and waiting for a free publisher while the broker
	// was slow or away.
	Lag Lag
	// Queue is the most tasks that ever waited for a publisher.
	Queue int
	// Reconnects is how often a connection was opened again.
	Reconnects int
	Took       time.Duration // from Start to the last answer
}

// Lag is a distribution of delays.
type Lag struct {
	P50, P99, Max time.Duration
	Count         int64
}

// String is one line for people.
func (r Report) String() string {
	return fmt.Sprintf("offered %d of %d (ok %d, failed %d, unknown %d) in %.2f s; schedule error p50 %v p99 %v max %v; lag p99 %v max %v; queue %d",
		r.Offered, r.Asked, r.OK, r.Failed, r.Unknown, r.Took.Seconds(),
		r.Schedule.P50, r.Schedule.P99, r.Schedule.Max, r.Lag.P99, r.Lag.Max, r.Queue)
}

// A tally collects delays in microseconds up to a day; a longer one, which only a run of more than a day can have, is
// left out.
type tally struct {
	mu   sync.Mutex
	hist *hdrhistogram.Histogram
}

func newTally() *tally {
	return &tally{hist: hdrhistogram.New(1, (24 * time.Hour).Microseconds(), 3)}
}

func (t *tally) add(d time.Duration) {
	t.mu.Lock()
	// The one error is a delay of more than a day.
	_ = t.hist.RecordValue(max(d.Microseconds(), 0))
	t.mu.Unlock()
}

func (t *tally) lag() Lag {
	t.mu.Lock()
	defer t.mu.Unlock()
	us := func(v int64) time.Duration { return time.Duration(v) * time.Microsecond }
	return Lag{
		P50:   us(t.hist.ValueAtQuantile(50)),
		P99:   us(t.hist.ValueAtQuantile(99)),
		Max:   us(t.hist.Max()),
		Count: t.hist.TotalCount(),
	}
}
