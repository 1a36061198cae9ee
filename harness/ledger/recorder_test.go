package ledger

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"unsafe"
)

const ms = 1_000_000 // a multiple of tick

func TestRecordIsSixtyFourBytes(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n != 64 {
		t.Errorf("a record has %d bytes", n)
	}
	if n := unsafe.Sizeof(slot{}); n != 32 {
		t.Errorf("a slot has %d bytes", n)
	}
}

// story is a run that started at 1 s: an ordinary task, one that a killed child began and another finished, one
// retried, and one that was run twice under one attempt id. Of two runs the task was told of its soft limit.
const storyStart = 1000 * ms

func at(t int64) int64 { return storyStart + t*ms }

var story = []Event{
	{Task: 0, Attempt: 10, At: at(5), PID: 1, Node: 1, Kind: Received},
	{Task: 0, Attempt: 10, At: at(6), PID: 2, Node: 1, Kind: Started},
	{Task: 0, Attempt: 10, At: at(7), PID: 2, Node: 1, Kind: Finished, Outcome: OK},
	{Task: 0, Attempt: 10, At: at(8), PID: 1, Node: 1, Kind: Stored},
	{Task: 0, Attempt: 10, At: at(9), PID: 1, Node: 1, Kind: Acked},

	{Task: 1, Attempt: 11, At: at(5), PID: 1, Node: 1, Kind: Received},
	{Task: 1, Attempt: 11, At: at(6), PID: 3, Node: 1, Kind: Started},
	{Task: 1, Attempt: 11, At: at(10), PID: 3, Node: 1, Kind: Told},
	{Task: 1, Attempt: 11, At: at(20), PID: 3, Node: 1, Kind: Finished, Outcome: Killed},
	{Task: 1, Attempt: 11, At: at(21), PID: 1, Node: 1, Kind: Returned},
	{Task: 1, Attempt: 12, At: at(22), PID: 4, Node: 2, Kind: Received},
	{Task: 1, Attempt: 12, At: at(23), PID: 4, Node: 2, Kind: Started},
	{Task: 1, Attempt: 12, At: at(24), PID: 4, Node: 2, Kind: Finished, Outcome: Failed},

	{Task: 2, Attempt: 13, At: at(30), PID: 4, Node: 2, Kind: Started},
	{Task: 2, Attempt: 13, At: at(31), PID: 4, Node: 2, Kind: Finished, Outcome: Retried},
	{Task: 2, Attempt: 14, At: at(40), PID: 4, Node: 2, Kind: Started},
	{Task: 2, Attempt: 14, At: at(41), PID: 4, Node: 2, Kind: Finished, Outcome: OK},

	{Task: 3, Attempt: 15, At: at(50), PID: 1, Node: 1, Kind: Received},
	{Task: 3, Attempt: 15, At: at(51), PID: 2, Node: 1, Kind: Started},
	{Task: 3, Attempt: 15, At: at(52), PID: 3, Node: 1, Kind: Started},
	{Task: 3, Attempt: 15, At: at(53), PID: 2, Node: 1, Kind: Finished, Outcome: OK},
	{Task: 3, Attempt: 15, At: at(53), PID: 3, Node: 1, Kind: Told},
	{Task: 3, Attempt: 15, At: at(54), PID: 3, Node: 1, Kind: Finished, Outcome: OK},
}

func newStory() *Recorder {
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), storyStart)
	for seq := range uint64(5) {
		r.Due(seq, at(int64(seq)))
		r.PublishStart(seq, at(int64(seq)+1))
		r.PublishEnd(seq, at(int64(seq)+2), PublishOK)
	}
	return r
}

func TestHistoryOfAStory(t *testing.T) {
	r := newStory()
	r.Apply(story...)
	h := r.Freeze(Meta{Broker: "b"})
	want := []Task{
		{Seq: 0, Due: 0, PublishStart: ms, PublishEnd: 2 * ms, Publish: PublishOK, Attempts: []Attempt{
			{ID: 10, Received: 5 * ms, Started: 6 * ms, Finished: 7 * ms, Stored: 8 * ms, Acked: 9 * ms, Node: 1, PID: 2, Outcome: OK}}},
		{Seq: 1, Due: ms, PublishStart: 2 * ms, PublishEnd: 3 * ms, Publish: PublishOK, Attempts: []Attempt{
			{ID: 11, Received: 5 * ms, Started: 6 * ms, Told: 10 * ms, Finished: 20 * ms, Node: 1, PID: 3, Outcome: Killed, Returned: true},
			{ID: 12, Received: 22 * ms, Started: 23 * ms, Finished: 24 * ms, Node: 2, PID: 4, Outcome: Failed}}},
		{Seq: 2, Due: 2 * ms, PublishStart: 3 * ms, PublishEnd: 4 * ms, Publish: PublishOK, Attempts: []Attempt{
			{ID: 13, Started: 30 * ms, Finished: 31 * ms, Node: 2, PID: 4, Outcome: Retried},
			{ID: 14, Started: 40 * ms, Finished: 41 * ms, Node: 2, PID: 4, Outcome: OK}}},
		{Seq: 3, Due: 3 * ms, PublishStart: 4 * ms, PublishEnd: 5 * ms, Publish: PublishOK, Attempts: []Attempt{
			{ID: 15, Received: 50 * ms, Started: 51 * ms, Finished: 53 * ms, Node: 1, PID: 2, Outcome: OK},
			{ID: 15, Started: 52 * ms, Told: 53 * ms, Finished: 54 * ms, Node: 1, PID: 3, Outcome: OK}}},
		{Seq: 4, Due: 4 * ms, PublishStart: 5 * ms, PublishEnd: 6 * ms, Publish: PublishOK},
	}
	if got := tasks(h); !reflect.DeepEqual(got, want) {
		t.Errorf("history:\n got %+v\nwant %+v", got, want)
	}
	for i := range want {
		if got := h.Task(i); len(got.Attempts) != len(want[i].Attempts) || got.Seq != want[i].Seq {
			t.Errorf("Task(%d) = %+v", i, got)
		}
	}
	tally := Tally{Due: 5, OK: 5, Executed: 4, Duplicates: 1}
	if m := h.Meta(); *m.Tally != tally || m.Broker != "b" || m.Run != r.run.Tag() || m.Schema != Schema {
		t.Errorf("meta %+v with tally %+v, want %+v", m, *m.Tally, tally)
	}
}

// tasks are all tasks of a history, to keep.
func tasks(h History) []Task {
	var out []Task
	for t := range h.All() {
		t.Attempts = slices.Clone(t.Attempts)
		if len(t.Attempts) == 0 {
			t.Attempts = nil
		}
		out = append(out, t)
	}
	return out
}

func TestOrderAndRepetitionOfEventsDoNotMatter(t *testing.T) {
	type verdict struct {
		Attempts, Executed, Told int
		Outcomes                 [6]int
	}
	sum := func(h History) (out []verdict) {
		for task := range h.All() {
			for i := 1; i < len(task.Attempts); i++ {
				if task.Attempts[i].Since() < task.Attempts[i-1].Since() {
					t.Errorf("attempts out of order: %+v", task)
				}
			}
			v := verdict{Attempts: len(task.Attempts), Executed: task.Executed()}
			for _, a := range task.Attempts {
				v.Outcomes[a.Outcome]++
				if a.Told != 0 {
					v.Told++
				}
			}
			out = append(out, v)
		}
		return out
	}
	r := newStory()
	r.Apply(story...)
	want, live := sum(r.Freeze(Meta{})), r.Live()
	for seed := range uint64(500) {
		r := newStory()
		r.Apply(shuffled(story, seed)...)
		r.Apply(shuffled(story, seed+1000)...)
		if got := r.Live(); got != live {
			t.Errorf("seed %d: live %+v, want %+v", seed, got, live)
		}
		if n := r.Open(func(uint32) bool { return true }); n != 0 {
			t.Errorf("seed %d: %d attempts in hand", seed, n)
		}
		if got := sum(r.Freeze(Meta{})); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, want)
		}
	}
}

func TestTheChildsOwnWordCountsForMore(t *testing.T) {
	start := Event{Attempt: 1, At: at(1), PID: 7, Kind: Started}
	ended := Event{Attempt: 1, At: at(2), PID: 7, Kind: Finished, Outcome: OK}
	tests := []struct {
		name   string
		events []Event
		want   []Outcome
	}{
		{"killed after it had finished", []Event{start, ended, {Attempt: 1, At: at(3), PID: 7, Kind: Finished, Outcome: Killed}}, []Outcome{OK}},
		{"given up after it had finished", []Event{start, ended, {Attempt: 1, At: at(3), PID: 7, Kind: Finished, Outcome: TimedOut}}, []Outcome{OK}},
		{"given up, then killed", []Event{start, {Attempt: 1, At: at(2), PID: 7, Kind: Finished, Outcome: TimedOut}, {Attempt: 1, At: at(3), PID: 7, Kind: Finished, Outcome: Killed}}, []Outcome{TimedOut}},
		{"lost, as two parents say", []Event{start, {Attempt: 1, At: at(3), PID: 7, Kind: Finished, Outcome: Killed}, {Attempt: 1, At: at(4), PID: 7, Kind: Finished, Outcome: Killed}}, []Outcome{Killed}},
		{"killed, named by the parent's process", []Event{start, {Attempt: 1, At: at(3), PID: 1, Kind: Finished, Outcome: Killed}}, []Outcome{Killed}},
		{"finished twice by its own word", []Event{start, ended, {Attempt: 1, At: at(3), PID: 7, Kind: Finished, Outcome: OK}}, []Outcome{OK, OK}},
		{"started twice in one process", []Event{start, {Attempt: 1, At: at(5), PID: 7, Kind: Started}, ended}, []Outcome{OK, None}},
	}
	for _, tt := range tests {
		for seed := range uint64(20) {
			r := newStory()
			r.Apply(shuffled(tt.events, seed)...)
			var got []Outcome
			for _, a := range r.Freeze(Meta{}).Task(0).Attempts {
				if a.Outcome == Killed && a.Finished != 3*ms {
					t.Errorf("%s, order %d: finished at %d ns, want the earliest word", tt.name, seed, a.Finished)
				}
				got = append(got, a.Outcome)
			}
			slices.SortFunc(got, func(a, b Outcome) int { return int(b) - int(a) })
			slices.Reverse(tt.want)
			slices.SortFunc(tt.want, func(a, b Outcome) int { return int(b) - int(a) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s, order %d: outcomes %v, want %v", tt.name, seed, got, tt.want)
			}
		}
	}
}

func TestEvidenceOfTasksThatWereNeverDue(t *testing.T) {
	r := newStory()
	stray := Event{Task: 1 << 40, Attempt: 9, At: at(1), PID: 2, Kind: Finished, Outcome: OK}
	r.Apply(stray, stray, Event{Task: 99, Attempt: 8, At: at(2), PID: 2, Kind: Received})
	for i := range keepAliens + 5 {
		r.Apply(Event{Task: Foreign, Attempt: uint64(i), At: at(3), Kind: Malformed})
	}
	h := r.Freeze(Meta{})
	got := tasks(h)
	if len(got) != 7 || got[5].Seq != 99 || got[6].Seq != 1<<40 || got[6].Executed() != 1 || h.Len() != 5 {
		t.Errorf("%d tasks of %d due, the last %+v", len(got), h.Len(), got[5:])
	}
	if kept, all := h.Foreign(); len(kept) != keepAliens || all != keepAliens+5 {
		t.Errorf("%d of %d foreign events kept", len(kept), all)
	}
}

func TestEvidenceBeforeDueIsNotLost(t *testing.T) {
	r := NewRecorder(Run{}, storyStart)
	r.Apply(Event{Task: 0, Attempt: 1, At: at(5), PID: 1, Kind: Finished, Outcome: OK})
	r.Due(0, storyStart)
	h := r.Freeze(Meta{})
	if got := tasks(h); len(got) != 1 || got[0].Executed() != 1 {
		t.Errorf("history %+v", got)
	}
	if h.Meta().Tally.Executed != 0 {
		t.Error("the books agree on a task that ran before it was due")
	}
}

func TestLiveCounters(t *testing.T) {
	r := newStory()
	r.PublishEnd(4, at(9), PublishUnknown) // published again
	r.Due(5, at(3))
	r.PublishEnd(5, at(10), PublishFailed)
	r.Apply(Event{Task: 0, Attempt: 1, At: at(300), PID: 8, Kind: Started}, Event{Task: 1, Attempt: 2, At: at(301), PID: 9, Kind: Started},
		Event{Task: 2, Attempt: 3, At: at(302), PID: 9, Kind: Received}, Event{Task: 3, Attempt: 4, At: at(600), PID: 9, Kind: Finished, Outcome: OK})
	want := Live{Due: 6, Acknowledged: 4, Refused: 1, Unknown: 1, Received: 1, Started: 2, Finished: 1, Executed: 1, LastEvent: at(600)}
	if got := r.Live(); got != want {
		t.Errorf("live %+v, want %+v", got, want)
	}
	if n := r.Open(func(pid uint32) bool { return pid == 9 }); n != 2 {
		t.Errorf("%d attempts in the hands of process 9, want 2", n)
	}
	if got := r.Completions(); !slices.Equal(got, []uint32{0, 0, 1}) {
		t.Errorf("completions %v, want one in the third bin", got)
	}
}

func TestPublishersAndCollectorAtOnce(t *testing.T) {
	const publishers, each = 4, chunkTasks / 2
	r := NewRecorder(Run{}, 0)
	var wg sync.WaitGroup
	published := make(chan uint64, publishers*each)
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				seq := uint64(i*publishers + p)
				r.Due(seq, int64(seq))
				r.PublishStart(seq, int64(seq)+tick)
				published <- seq // it is under way, and may run before its confirm is seen
				r.PublishEnd(seq, int64(seq)+2*tick, PublishOK)
			}
		})
	}
	go func() { wg.Wait(); close(published) }()
	for seq := range published {
		r.Apply(Event{Task: seq, Attempt: seq, At: int64(seq) + 3*tick, PID: 1, Kind: Finished, Outcome: OK})
	}
	h := r.Freeze(Meta{})
	for task := range h.All() {
		if task.Publish != PublishOK || task.Executed() != 1 || task.Attempts[0].ID != task.Seq {
			t.Fatalf("task %+v", task)
		}
	}
	if want := (Tally{Due: publishers * each, OK: publishers * each, Executed: publishers * each}); *h.Meta().Tally != want {
		t.Errorf("tally %+v, want %+v", *h.Meta().Tally, want)
	}
}

func TestOpenAttemptsAreThoseInHand(t *testing.T) {
	r := newStory()
	const parent, child, dead = 10, 11, 12
	apply := func(task, attempt uint64, pid uint32, kind Kind, o Outcome) {
		r.Apply(Event{Task: task, Attempt: attempt, PID: pid, At: at(int64(kind)), Kind: kind, Outcome: o})
	}
	apply(0, 1, parent, Received, None) // prefetched: open
	apply(1, 2, parent, Received, None) // running in a child: open
	apply(1, 2, child, Started, None)
	apply(2, 3, parent, Received, None) // done
	apply(2, 3, child, Started, None)
	apply(2, 3, child, Finished, OK)
	apply(3, 4, parent, Received, None) // given back
	apply(3, 4, parent, Returned, None)
	apply(4, 5, dead, Received, None) // died with its worker; in another's hands now
	apply(4, 6, parent, Received, None)
	apply(0, 7, parent, Received, None) // acknowledged unrun
	apply(0, 7, parent, Acked, None)
	apply(1, 8, parent, Received, None) // acknowledged early and running: open
	apply(1, 8, parent, Acked, None)
	apply(1, 8, parent, Started, None)
	apply(2, 9, parent, Received, None) // kept aside
	apply(2, 9, parent, Malformed, None)
	if got := r.Open(func(pid uint32) bool { return pid != dead }); got != 4 {
		t.Errorf("%d open, want 4", got)
	}
	if got := r.Open(func(pid uint32) bool { return pid == child }); got != 1 {
		t.Errorf("%d open in the child, want 1", got)
	}
}

// A body may run before it is due, when its header was quick, and is counted like any other.
func TestBodyThatRunsBeforeItIsDue(t *testing.T) {
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), at(0))
	r.Bodies(func(seq uint64) bool { return seq == 1 })
	offer(r, 0, 1)
	early := again(1, 50, at(1))
	r.Apply(append(early, again(1, 51, at(2))...)...)
	r.Apply(Event{Task: 1, Attempt: 52, PID: 9, At: at(3), Kind: Started})
	if n := r.Open(func(uint32) bool { return true }); n != 0 {
		t.Errorf("%d attempts are open of tasks that were due", n)
	}
	r.Due(1, at(4))
	if l := r.Live(); l.Due != 2 || l.Executed != 2 || l.Duplicates != 1 || l.Started != 4 {
		t.Errorf("%+v", l)
	}
	if n := r.Open(func(uint32) bool { return true }); n != 1 {
		t.Errorf("%d attempts are open, want that which runs", n)
	}
	h := r.Freeze(Meta{})
	if body := h.Task(1); len(body.Attempts) != 3 || body.Executed() != 2 {
		t.Errorf("%+v", body)
	}
	for task := range h.All() {
		if task.Seq > 1 {
			t.Errorf("task %d was never due", task.Seq)
		}
	}
}

// A task that was executed without an acknowledgement does not make good one that was acknowledged and is missing.
func TestMissingIsCountedByTask(t *testing.T) {
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), at(0))
	for seq, outcome := range []PublishOutcome{PublishOK, PublishOK, PublishUnknown, PublishFailed, PublishOK} {
		r.Due(uint64(seq), at(1))
		r.PublishStart(uint64(seq), at(2))
		r.PublishEnd(uint64(seq), at(3), outcome)
	}
	for seq, outcome := range map[uint64]Outcome{0: OK, 2: OK, 3: Failed, 4: Retried} {
		r.Apply(Event{Task: seq, Attempt: seq + 1, PID: 9, At: at(4), Kind: Finished, Outcome: outcome})
	}
	if l := r.Live(); l.Acknowledged > l.Executed {
		t.Fatalf("%+v: the counters alone would tell", l)
	}
	if got, again := r.Missing(); got != 2 || again != 1 {
		t.Errorf("%d missing, of which %d asked to be run again, want tasks 1 and 4, and 4", got, again)
	}
	r.Apply(Event{Task: 4, Attempt: 50, PID: 9, At: at(5), Kind: Finished, Outcome: OK}, Event{Task: 1, Attempt: 51, PID: 9, At: at(5), Kind: Finished, Outcome: TimedOut})
	if got, again := r.Missing(); got != 0 || again != 0 {
		t.Errorf("%d missing at the end, and %d to be run again, want none", got, again)
	}
}
