package harness

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// Messages that are handed out and never settled show in the history, and check growth finds them: every two seconds,
// but for those in which the broker is down, and less often where it is slow to answer.
func TestUnacknowledgedMessagesAreWatched(t *testing.T) {
	for name, c := range map[string]struct {
		took    time.Duration // by the broker, to answer
		unacked func(second int) int
		samples int
		found   checks.Outcome
	}{
		"a leak":                       {0, func(s int) int { return 10 * s }, 58, checks.Found},
		"as many as ever":              {0, func(int) int { return 40 }, 58, checks.Pass},
		"a broker that does not count": {0, func(int) int { return -1 }, 0, checks.Undecided},
		"a slow broker":                {100 * time.Millisecond, func(s int) int { return 10 * s }, 11, checks.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, closed := time.Now(), false
				now := func() int64 { return int64(time.Since(begin)) }
				d := watchDepths(t.Context(), now, func(context.Context) (int, int, error) {
					<-time.After(c.took)
					if s := now() / int64(time.Second); s == 10 || s == 12 {
						return 0, 0, errors.New("it is down")
					} else {
						return 7, c.unacked(int(s)), nil
					}
				}, func() { closed = true })
				<-time.After(119 * time.Second)
				d.end()
				line := d.series()
				if len(line.At) != c.samples || len(line.Of) != c.samples || !closed {
					t.Errorf("%d samples, closed %v; want %d, true", len(line.At), closed, c.samples)
				}
				r := ledger.NewRecorder(ledger.Run{}, 0)
				v := checks.Run(r.Freeze(ledger.Meta{Drained: true, DrainEnded: now(), Series: []ledger.Series{line}})).Verdict("growth")
				if v.Outcome != c.found {
					t.Errorf("growth says %s (%s): %+v; want %s", v.Outcome, v.Why, v.Findings, c.found)
				}
			})
		})
	}
}
