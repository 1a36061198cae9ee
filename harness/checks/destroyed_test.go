package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

// destroying is a fault that destroys what the broker holds, at a time in milliseconds.
func destroying(at int64) func(*ledger.Meta) {
	return func(m *ledger.Meta) {
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "wipe", At: at * ms, InEffect: at * ms, Healed: at*ms + 1, Destroys: true})
	}
}

func TestDestroyed(t *testing.T) {
	killed := func(m *ledger.Meta) {
		m.Faults = append(m.Faults, ledger.FaultSpan{Fault: "kill", At: 1e6 * ms, InEffect: 1e6 * ms, Healed: 1e6*ms + 1})
	}
	try(t, "destroyed", []trial{
		{"what was acknowledged before", given(acked(), acked(good(5)), acked()).with(destroying(1e6)), Found, 2, []uint64{0, 2}},
		{"what was acknowledged after is the broker's own loss", given(acked(), acked(good(5))).with(destroying(0)), Pass, 0, nil},
		{"a fault that destroys nothing excuses nothing", given(acked(), acked(good(5))).with(killed), Pass, 0, nil},
		{"nothing lost", given(acked(good(5))).with(destroying(1e6)), Pass, 0, nil},
		{"perhaps to come", given(acked(), acked(good(5))).with(destroying(1e6)).with(left(1)), Undecided, 0, nil},
		{"nothing acknowledged", given(failed()).with(destroying(1e6)), Undecided, 0, nil},
	})
}
