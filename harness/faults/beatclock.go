package faults

import (
	"context"
	"fmt"
)

// The wall clocks of beats are set as those of workers are.
var (
	_ = register(ofBeats(clockJump, "Sets the wall clock of one beat forward or back, and right again after `for` (2s). Forward, what was skipped counts as "+
		"missed unless it is made up for as the schedule says; back, no tick may be sent again. A tick is in time that is so by the right "+
		"clock or by the one that the beat had. The seed chooses the victim."))
	_ = register(ofBeats(clockSkew, "Has the wall clock of one beat go fast or slow, and sets it right again after `for` (2s). A tick is in time that is "+
		"so by the right clock or by the one that the beat had. The seed chooses the victim."))
)

// ofBeats is a fault on one worker as one on a beat.
func ofBeats(f Fault, doc string) Fault {
	inject := f.Inject
	f.Node, f.Doc = "beat", doc
	f.Inject = func(ctx context.Context, t Target, a Args) (Effect, error) {
		t.Workers = t.Beats
		e, err := inject(ctx, t, a)
		if err != nil {
			err = fmt.Errorf("among the beats: %w", err)
		}
		return e, err
	}
	return f
}
