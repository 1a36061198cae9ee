package metrics

import "taskbench/harness/ledger"

// Waiting counts for each of the moments, in nanoseconds since the load began, the tasks that the broker alone had then: their
// publish was acknowledged, and no worker had received them.
func Waiting(h ledger.History, moments []int64) []int {
	waiting := make([]int, len(moments))
	for t := range h.All() {
		if t.Publish != ledger.PublishOK {
			continue
		}
		for i, at := range moments {
			if t.PublishEnd <= at && !receivedBy(t, at) {
				waiting[i]++
			}
		}
	}
	return waiting
}

func receivedBy(t ledger.Task, at int64) bool {
	for _, a := range t.Attempts {
		if a.Received != 0 && a.Received <= at || a.Started != 0 && a.Started <= at {
			return true
		}
	}
	return false
}
