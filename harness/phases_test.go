package harness

import (
	"slices"
	"testing"
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

func TestPhases(t *testing.T) {
	const s = int64(time.Second)
	l := scenario.Load{Warmup: 2 * time.Second, For: 10 * time.Second}
	for _, c := range []struct {
		name   string
		faults []injection
		want   []ledger.Phase
	}{
		{"no fault", nil, []ledger.Phase{{Name: "warmup", From: 0, To: 2 * s}, {Name: "steady", From: 2 * s, To: 12 * s}, {Name: "drain", From: 12 * s, To: 14 * s}}},
		{"one fault", []injection{{at: 4 * s, inEffect: 4 * s, healed: 7 * s}}, []ledger.Phase{
			{Name: "warmup", From: 0, To: 2 * s}, {Name: "steady", From: 2 * s, To: 4 * s}, {Name: "fault", From: 4 * s, To: 7 * s},
			{Name: "recovery", From: 7 * s, To: 12 * s}, {Name: "drain", From: 12 * s, To: 14 * s}}},
		{"overlapping, one of them never effective", []injection{
			{at: 4 * s, inEffect: 4 * s, healed: 7 * s}, {at: 6 * s, inEffect: 6 * s, healed: 8 * s}, {at: 9 * s}}, []ledger.Phase{
			{Name: "warmup", From: 0, To: 2 * s}, {Name: "steady", From: 2 * s, To: 4 * s}, {Name: "fault", From: 4 * s, To: 8 * s},
			{Name: "recovery", From: 8 * s, To: 12 * s}, {Name: "drain", From: 12 * s, To: 14 * s}}},
		{"never healed", []injection{{at: 4 * s, inEffect: 4 * s}}, []ledger.Phase{
			{Name: "warmup", From: 0, To: 2 * s}, {Name: "steady", From: 2 * s, To: 4 * s}, {Name: "fault", From: 4 * s, To: 12 * s}, {Name: "drain", From: 12 * s, To: 14 * s}}},
		{"healed after the load", []injection{{at: 11 * s, inEffect: 11 * s, healed: 13 * s}}, []ledger.Phase{
			{Name: "warmup", From: 0, To: 2 * s}, {Name: "steady", From: 2 * s, To: 11 * s}, {Name: "fault", From: 11 * s, To: 12 * s}, {Name: "drain", From: 12 * s, To: 14 * s}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := phasesOf(l, course{faults: c.faults, paced: 12 * s, loadEnd: 13 * s, drain: drained{ended: 14 * s}})
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}
