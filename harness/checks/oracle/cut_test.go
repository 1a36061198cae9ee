package oracle

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// A happening is one thing that a recorder is told.
type happening struct {
	at   int64
	tell func(*ledger.Recorder)
}

// happenings are all that a history holds, in order of time.
func happenings(h ledger.History, start int64) []happening {
	var all []happening
	at := func(when int64, tell func(*ledger.Recorder)) { all = append(all, happening{when, tell}) }
	for t := range h.All() {
		if t.Seq < uint64(h.Len()) {
			at(t.Due, func(r *ledger.Recorder) {
				r.Due(t.Seq, start+t.Due)
				r.Terms(t.Seq, t.Terms)
			})
		}
		if t.PublishStart != 0 {
			at(t.PublishStart, func(r *ledger.Recorder) { r.PublishStart(t.Seq, start+t.PublishStart) })
		}
		if t.Publish != ledger.Unpublished {
			at(t.PublishEnd, func(r *ledger.Recorder) { r.PublishEnd(t.Seq, start+t.PublishEnd, t.Publish) })
		}
		for _, a := range t.Attempts {
			event := func(kind ledger.Kind, when int64, outcome ledger.Outcome) {
				e := ledger.Event{Task: t.Seq, Attempt: a.ID, At: start + when, PID: a.PID, Node: a.Node, Kind: kind, Outcome: outcome}
				at(max(when, t.Due+1), func(r *ledger.Recorder) { r.Apply(e) })
			}
			for kind, when := range map[ledger.Kind]int64{ledger.Received: a.Received, ledger.Started: a.Started, ledger.Acked: a.Acked, ledger.Stored: a.Stored, ledger.Told: a.Told} {
				if when != 0 {
					event(kind, when, ledger.None)
				}
			}
			if a.Finished != 0 {
				event(ledger.Finished, a.Finished, a.Outcome)
			}
			if a.Returned {
				event(ledger.Returned, max(a.Received, a.Finished), ledger.None)
			}
			if a.Malformed {
				event(ledger.Malformed, max(a.Received, a.Finished), ledger.None)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	return all
}

// retold is the same run recorded once more, in one and in pieces of so much load: each is sealed as soon as its publishes
// have ended, whatever is still to come of its tasks.
func retold(t *testing.T, h *ledger.Frozen, piece time.Duration) (whole ledger.History, pieces *ledger.Pieces, late int) {
	const start = int64(time.Hour)
	run, err := ledger.ParseRun(h.Meta().Run)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "history.x.tbz")
	one, other := ledger.NewRecorder(run, start), ledger.NewRecorder(run, start)
	cutter := ledger.NewCutter(other, path)
	next := int64(piece)
	sealed := uint64(0)
	for _, x := range happenings(h, start) {
		for ; x.at > next; next += int64(piece) {
			for ; sealed < uint64(h.Len()); sealed++ {
				task := h.Task(int(sealed))
				if task.Due > next-int64(piece) || max(task.PublishStart, task.PublishEnd) >= next {
					break
				}
			}
			if err := cutter.Seal(sealed, ledger.Meta{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		x.tell(one)
		x.tell(other)
		if one.Live() != other.Live() {
			t.Fatalf("at %d the recorder counts %+v, and with pieces %+v", x.at, one.Live(), other.Live())
		}
	}
	a, b := missingOf(one), missingOf(other)
	if a != b {
		t.Errorf("%v missing and retrying, and with pieces %v", a, b)
	}
	_, late = cutter.Missing()
	if _, err = cutter.Finish(h.Meta()); err != nil {
		t.Fatal(err)
	}
	stored, err := ledger.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	pieces, ok := stored.(*ledger.Pieces)
	if !ok {
		t.Fatalf("the history is %T, and was to be in pieces", stored)
	}
	return one.Freeze(h.Meta()), pieces, late
}

func missingOf(r *ledger.Recorder) [2]int {
	missing, retrying := r.Missing()
	return [2]int{missing, retrying}
}

// Whatever is wrong with a system, a history in pieces holds the same tasks as one that was never cut, and the judge
// says the same of it, to the last finding: also of what came when the piece of its task had been stored.
func TestPiecesAreJudgedAsTheWhole(t *testing.T) {
	systems := append([]Mutant{{Name: "healthy"}, {Name: "healthy and calm", Bugs: Bugs{Calm: true}}}, Mutants...)
	late, repeats := 0, 0
	for i, m := range systems {
		if testing.Short() && i%4 != 0 {
			continue
		}
		h, _, err := record(t.TempDir(), 1, tasks/3, m.Bugs)
		if err != nil {
			t.Fatal(err)
		}
		whole, pieces, n := retold(t, h, 100*time.Millisecond)
		late += n
		next := func(h ledger.History) []ledger.Task {
			var list []ledger.Task
			for t := range h.All() {
				t.Attempts = slices.Clone(t.Attempts)
				list = append(list, t)
			}
			return list
		}
		want, got := next(whole), next(pieces)
		if len(pieces.Meta().Pieces) < 5 || len(want) != len(got) {
			t.Fatalf("%s: %d tasks in %d pieces, and %d in one", m.Name, len(got), len(pieces.Meta().Pieces), len(want))
		}
		for i := range want {
			if !slices.Equal(want[i].Attempts, got[i].Attempts) {
				t.Fatalf("%s: in pieces\n%+v, and in one\n%+v", m.Name, got[i], want[i])
			}
		}
		one, other := checks.Run(whole), checks.Run(pieces)
		if !reflect.DeepEqual(one, other) {
			t.Errorf("%s: judged in pieces\n%+v\nand in one\n%+v", m.Name, other, one)
		}
		if pieces.Err() != nil {
			t.Error(m.Name, pieces.Err())
		}
		repeats += other.Counts.Duplicated
	}
	if late == 0 || repeats == 0 {
		t.Errorf("%d tasks had more to tell after they were stored, %d ran twice: the borders were not tried", late, repeats)
	}
}
