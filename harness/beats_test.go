package harness

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
	"taskbench/worker/beat"
	"taskbench/worker/message"
)

// Each tick of the load has the messages that came of it, and a message that is handed out again is none.
func TestTicksAreWhatCame(t *testing.T) {
	s := &stage{}
	s.cell.Scenario.System.Beat = scenario.Beat{Every: 100 * time.Millisecond, Entries: 2}
	start := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	ticks := &ticks{stage: s, start: start, came: map[tickKey][]time.Time{}}
	begin := start.Add(150 * time.Millisecond)
	ticks.origin(begin)
	come := func(entry string, k int, after time.Duration, again bool) {
		at := start.Add(time.Duration(k) * 100 * time.Millisecond)
		ticks.note(brokers.Message{Headers: map[string]any{beat.NameHeader: entry, beat.ScheduledHeader: message.FormatTime(at)}}, again, at.Add(after))
	}
	ms := int64(time.Millisecond)
	come("each-1", 1, 5*time.Millisecond, false) // before the load
	if ticks.underWay() {
		t.Error("one of two entries had a tick, and the schedule is under way")
	}
	come("each-1", 2, 5*time.Millisecond, false)
	come("each-2", 2, 7*time.Millisecond, false)
	come("each-2", 2, 9*time.Millisecond, false) // sent twice
	come("each-2", 2, 11*time.Millisecond, true) // handed out again
	come("each-1", 3, 8*time.Millisecond, true)  // and this was lost with the connection, the first time
	come("each-1", 4, time.Millisecond, false)   // after the load
	ticks.note(brokers.Message{Headers: map[string]any{"id": "x"}}, false, begin)
	if !ticks.underWay() {
		t.Error("both entries had a tick, and the schedule is not under way")
	}
	want := []ledger.Tick{
		{Entry: "each-1", Due: 50 * ms, Sent: []int64{55 * ms}},
		{Entry: "each-2", Due: 50 * ms, Sent: []int64{57 * ms, 59 * ms}},
		{Entry: "each-1", Due: 150 * ms, Sent: []int64{158 * ms}},
		{Entry: "each-2", Due: 150 * ms},
	}
	if got := ticks.until(200 * ms); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Where ticks that were sent twice could not be told, or two beats not agree, the cell says so and is not run.
func TestBeatsThatCannotBe(t *testing.T) {
	plan := func(broker string, beats int) string {
		s := scenario.Scenario{Name: "beat", System: scenario.System{Name: "native", Pool: "goroutine", Beat: scenario.Beat{Every: time.Second, Beats: beats}}}
		p, err := NewPlan(t.Context(), Request{Name: "x", Scenarios: []scenario.Scenario{s}, Brokers: []string{broker}, Lab: "embedded", Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return p.Cells[0].Unfit
	}
	if why := plan("memory", 1); why != "" {
		t.Errorf("one beat on memory: %s", why)
	}
	if why := plan("memory", 2); !strings.Contains(why, "two beats: they agree by a lock in redis") {
		t.Errorf("two beats on memory: %q", why)
	}
	blind := CellPlan{System: native.System}
	blind.Scenario.System.Beat.Every = time.Second
	if why := noBeat(blind); !strings.Contains(why, "sent twice") {
		t.Errorf("a broker without the flag: %q", why)
	}
}

// Whoever interrupts a run before the first tick is not told that none came in time.
func TestInterruptedBeforeTheFirstTick(t *testing.T) {
	s, _ := newStepStage(t, scenario.Fault{})
	s.cell.Scenario.System.Beat = scenario.Beat{Every: time.Hour, Entries: 1, Beats: 1}
	ctx, interrupt := context.WithCancelCause(t.Context())
	s.cell.System.Beat = func(context.Context, systems.BeatSpec) (systems.Worker, error) {
		interrupt(errors.New("interrupted"))
		return idleWorker{name: "beat-1"}, nil
	}
	err := s.startBeats(ctx, 1)
	if want := "wait for the first ticks of the beats: interrupted"; err == nil || err.Error() != want {
		t.Errorf("got: %v\nwant: %s", err, want)
	}
	s.ticks.close()
}
