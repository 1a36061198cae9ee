package feed

import (
	"testing"
	"testing/synctest"
	"time"
)

// While messages trickle in a look comes soon, and an idle source asks four times a second.
func TestPaceSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace()
		looks := map[bool]int{}
		for began := time.Now(); time.Since(began) < IdleAfter+2*time.Second; {
			wait := p.Next()
			if since := time.Since(began); since < trickle && wait > busyLook || since > IdleAfter+calmLook+IdleLook && wait < IdleLook/2 {
				t.Fatalf("after %v it waits for %v", since, wait)
			}
			time.Sleep(wait)
			looks[time.Since(began) > IdleAfter+time.Second]++
		}
		if n := looks[true]; n < 3 || n > 5 {
			t.Errorf("%d looks in a second of idleness, want four", n)
		}
		if p.Busy(); p.Next() != firstLook {
			t.Error("a message does not make it look at once")
		}
	})
}
