package postgres

import (
	"errors"
	"slices"
	"testing"

	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// What nobody has seen of a prefetch of a thousand must not cost a thousand commits when the consumer ends.
func TestUnseenGoBackTogether(t *testing.T) {
	const n = 100
	var exchanges []int
	refusal := errors.New("unreachable")
	var outcome error
	b := &broker{layout: &leaseLayout}
	b.wishes = group.New(func(wishes []wish) []error {
		exchanges = append(exchanges, len(wishes))
		errs := make([]error, len(wishes))
		for i, w := range wishes {
			if w.outcome != feed.Unseen || w.queue != "q" || int(w.id) != i+1 {
				t.Errorf("wish %d is %+v", i, w)
			}
			errs[i] = outcome
		}
		return errs
	})
	for _, outcome = range []error{nil, refusal} {
		c := &consumer{Set: feed.NewSet[*source](), broker: b}
		s := newSource(c, []string{"q"}, n)
		unseen := make([]uint64, n)
		for i := range unseen {
			unseen[i] = uint64(i + 1)
			s.holds[int64(i+1)] = "q"
		}
		close(s.ended) // nothing is being claimed
		s.End(unseen)
		if !errors.Is(c.Cause(), outcome) {
			t.Errorf("after the outcome %v the consumer has the cause %v", outcome, c.Cause())
		}
	}
	b.wishes.Close()
	if !slices.Equal(exchanges, []int{n, n}) {
		t.Errorf("%d messages went back in exchanges of %v, twice", n, exchanges)
	}
}
