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

// Messages that are handed out and never settled show in the history, as do keys, and check growth finds them: every two seconds,
// but for those in which the broker is down, and less often where it is slow to answer.
func TestUnacknowledgedMessagesAreWatched(t *testing.T) {
	for name, c := range map[string]struct {
		what    string
		took    time.Duration // by the broker, to answer
		unacked func(second int) int
		samples int
		found   checks.Outcome
	}{
		"a leak":                       {"unacked", 0, func(s int) int { return 10 * s }, 58, checks.Found},
		"a leak of keys":               {"keys", 0, func(s int) int { return 10 * s }, 58, checks.Found},
		"as many keys as ever":         {"keys", 0, func(int) int { return 40 }, 58, checks.Pass},
		"as many as ever":              {"unacked", 0, func(int) int { return 40 }, 58, checks.Pass},
		"a broker that does not count": {"unacked", 0, func(int) int { return -1 }, 0, checks.Undecided},
		"a slow broker":                {"unacked", 100 * time.Millisecond, func(s int) int { return 10 * s }, 11, checks.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, closed := time.Now(), false
				now := func() int64 { return int64(time.Since(begin)) }
				ask := func(context.Context) (int, error) {
					<-time.After(c.took)
					if s := now() / int64(time.Second); s == 10 || s == 12 {
						return 0, errors.New("it is down")
					} else {
						return c.unacked(int(s)), nil
					}
				}
				d := watchDepths(t.Context(), now, []question{{c.what, ask}}, func() { closed = true })
				<-time.After(119 * time.Second)
				d.end()
				told, samples := d.series(), 0
				for _, line := range told {
					samples += min(len(line.At), len(line.Of))
				}
				if samples != c.samples || !closed {
					t.Errorf("%d samples, closed %v; want %d, true", samples, closed, c.samples)
				}
				r := ledger.NewRecorder(ledger.Run{}, 0)
				v := checks.Run(r.Freeze(ledger.Meta{Drained: true, DrainEnded: now(), Series: told})).Verdict("growth")
				if v.Outcome != c.found {
					t.Errorf("growth says %s (%s): %+v; want %s", v.Outcome, v.Why, v.Findings, c.found)
				}
			})
		})
	}
}
