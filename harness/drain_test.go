package harness

import (
	"testing"
	"time"
)

func TestHowLongSilenceMustLast(t *testing.T) {
	for what, c := range map[string]struct {
		missing, retrying int
		counted           bool
		want              time.Duration
	}{
		"nothing is missing":                           {0, 0, true, calm},
		"nothing is missing where nobody counts":       {0, 0, false, calm},
		"tasks are missing":                            {3, 0, true, doubt},
		"tasks are missing where nobody counts":        {3, 0, false, blind},
		"one of them has asked to be run again":        {3, 1, true, blind},
		"one asked to be run again, and nobody counts": {3, 1, false, blind},
	} {
		if enough(c.want-1, c.missing, c.retrying, c.counted) || !enough(c.want, c.missing, c.retrying, c.counted) {
			t.Errorf("%s: it is not after %v that the drain is over", what, c.want)
		}
	}
}
