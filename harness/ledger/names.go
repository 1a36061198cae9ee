package ledger

import "fmt"

var kindNames = [...]string{"", "received", "started", "finished", "acked", "stored", "returned", "malformed", "told"}

var outcomeNames = [...]string{"", "ok", "failed", "retried", "timed-out", "killed"}

var publishNames = [...]string{"unpublished", "ok", "failed", "unknown"}

// String is the kind's name in sink lines and findings.
func (k Kind) String() string { return name(kindNames[:], int(k), "kind") }

// String is the outcome's name in sink lines and findings; None is "".
func (o Outcome) String() string { return name(outcomeNames[:], int(o), "outcome") }

// String is the publish outcome's name in findings.
func (o PublishOutcome) String() string { return name(publishNames[:], int(o), "publish outcome") }

func name(names []string, i int, what string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s %d", what, i)
}

func value(names []string, s string) (int, bool) {
	for i, n := range names {
		if n == s {
			return i, true
		}
	}
	return 0, false
}
