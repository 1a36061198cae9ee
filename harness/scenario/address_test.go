package scenario

import (
	"strings"
	"testing"
)

func TestKindOfAnAddress(t *testing.T) {
	for address, kind := range map[string]string{
		"broker": "broker", "worker": "worker", "leader": "broker", "replica": "broker", "broker-1": "broker", "broker-12": "broker",
		"broker-0": "broker-0", "broker-01": "broker-01", "broker-": "broker-", "broker-x": "broker-x", "worker-1": "worker-1", "": "", "-1": "-1", "1": "1",
	} {
		if got := Kind(address); got != kind {
			t.Errorf("the kind of %q is %q, want %q", address, got, kind)
		}
	}
	if n, ok := Member("broker-12"); n != 12 || !ok {
		t.Errorf("broker-12 is member %d, %v", n, ok)
	}
}

// An address is a broker to the schedule: it takes its faults, and only one at a time.
func TestScheduleOfAddresses(t *testing.T) {
	const head = "name: a\nasks: b?\nworkload: {tasks: [{task: noop}]}\nload: {rate: 10/s, for: 30s}\nfaults:\n"
	for lines, want := range map[string]string{
		"  - {at: 1s, fault: kill, node: leader, for: 2s}\n  - {at: 5s, fault: kill, node: broker-2, for: 2s}\n  - {at: 9s, fault: latency, node: replica, for: 1s}": "",
		"  - {at: 1s, fault: kill, node: leader, for: 2s}\n  - {at: 2s, fault: kill, node: broker-2, for: 2s}":                                                       "overlaps with kill",
		"  - {at: 1s, fault: kill, node: broker-0, for: 2s}":                                                                                                         "cannot hurt broker-0",
		"  - {at: 1s, fault: rolling-restart, node: leader}":                                                                                                         "cannot hurt leader",
		"  - {at: 1s, fault: latency, node: leader}":                                                                                                                 "needs for",
		"  - {at: 1s, fault: kill, node: replica, for: 1s, odd: 2s}":                                                                                                 "odd",
	} {
		_, err := Parse("f", []byte(head+lines+"\n"), known, Full)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", lines, err, want)
		}
	}
}
