package harness

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/harness/scenario"
)

// A healing that took longer than planned delays what follows on the broker, with the time to recover that was planned
// and no more than is enough; and no more workers are hurt at a time than there are.
func TestFaultsWaitForLateHealings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		turns := newTurns(2)
		at := func(node string, at, healed time.Duration, want time.Duration) {
			t.Helper()
			f := scenario.Fault{Node: node, At: at, For: time.Second}
			waitUntil(t.Context(), began.Add(at))
			release, ok := turns.take(t.Context(), f)
			if got := time.Since(began); !ok || got != want {
				t.Errorf("%s at %v: begun after %v (%v), want %v", node, at, got, ok, want)
			}
			go func() {
				waitUntil(t.Context(), began.Add(healed))
				release()
			}()
		}
		const s = time.Second
		at("broker", 1*s, 2*s, 1*s)
		at("broker", 5*s, 16*s, 5*s)   // planned to be healed at 6 s, and took until 16 s
		at("broker", 7*s, 18*s, 17*s)  // 1 s of rest was planned
		at("broker", 20*s, 29*s, 20*s) // 12 s were planned, and 2 s are enough
		at("broker", 27*s, 32*s, 31*s)
		at("worker", 40*s, 50*s, 40*s)
		at("worker", 41*s, 60*s, 41*s)
		at("worker", 42*s, 60*s, 50*s)
		at("broker", 62*s, 80*s, 62*s)
		at("beat", 63*s, 66*s, 63*s) // which the broker's fault leaves alone
		at("beat", 64*s, 67*s, 66*s)

		ended, end := context.WithCancel(t.Context())
		end()
		if _, ok := turns.take(ended, scenario.Fault{Node: "worker"}); ok {
			t.Error("a third worker was hurt, of two")
		}
		if _, ok := turns.take(ended, scenario.Fault{Node: "broker"}); ok {
			t.Error("the broker was hurt when all was over")
		}
	})
}

func TestDelaysAreTold(t *testing.T) {
	list := []injection{{waited: time.Millisecond}, {waited: 3 * time.Second}, {waited: 12500 * time.Millisecond}}
	if got, want := delayed(list), "2 of 3 faults began later than planned, by up to 12.5 s, since"; !strings.HasPrefix(got, want) {
		t.Errorf("%q", got)
	}
	if got := delayed(list[:1]); got != "" {
		t.Errorf("%q", got)
	}
}

// All cells of a scenario meet the same faults, and what is written for a replay are they and not how they were drawn.
func TestPlanRealisesTheSchedule(t *testing.T) {
	s := scenario.Scenario{Name: "chaos", Load: scenario.Load{For: time.Minute}, System: scenario.System{Workers: 2, Pool: "prefork"}}
	s.Chaos = scenario.Chaos{MTBF: 3 * time.Second, Rest: time.Second, Faults: []scenario.Hazard{
		{Fault: scenario.Fault{Fault: "kill-child", Node: "worker"}, Weight: 1},
	}}
	p, err := NewPlan(t.Context(), Request{
		Name: "chaos", Scenarios: []scenario.Scenario{s}, Brokers: []string{"memory", "sqlite"}, Repeat: 2, Seed: 5, Lab: "embedded", Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Cells) != 4 {
		t.Fatalf("%d cells", len(p.Cells))
	}
	for _, c := range p.Cells {
		got := c.Scenario
		if len(got.Faults) < 5 || len(got.Chaos.Faults) != 0 || &got.Faults[0] != &p.Scenarios[0].Faults[0] {
			t.Errorf("%s: %d faults, %+v", c.Name(), len(got.Faults), got.Chaos)
		}
	}
}
