package checks

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// What a line settles on its way, to stay small, is what it would settle at the end.
func TestLineSettlesOnItsWay(t *testing.T) {
	const tasks, apart = 5 * opened, int64(100_000)
	r := rand.New(rand.NewPCG(1, 1))
	whole, small := line{latest: map[group]int64{}, at: math.MaxInt}, line{latest: map[group]int64{}}
	most := 0
	for seq := range int64(tasks) {
		due := seq * apart
		t := turn{seq: uint64(seq), key: uint64(r.IntN(3)), began: due + 10, confirmed: due + 20}
		t.handed = t.confirmed + r.Int64N(3*apart) // now and then after the next one or two
		if seq%1000 == 0 {
			t.handed += 1000 * apart
		}
		whole.add(t, due)
		small.add(t, due)
		most = max(most, len(small.open))
	}
	for _, l := range []*line{&whole, &small} {
		l.settle(math.MaxInt64)
		slices.SortFunc(l.late, bySeq)
	}
	if len(whole.late)+whole.dropped < tasks/1000 || whole.dropped+len(whole.late) != small.dropped+len(small.late) {
		t.Errorf("%d and %d late, and on its way %d and %d", len(whole.late), whole.dropped, len(small.late), small.dropped)
	}
	if !reflect.DeepEqual(whole.late[:keptFindings], small.late[:keptFindings]) {
		t.Error("others are named")
	}
	if most > opened {
		t.Errorf("%d turns were kept at a time", most)
	}
}
