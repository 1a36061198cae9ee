package ledger

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// offer gives tasks to a recorder, from one number to another, each done at once.
func offer(r *Recorder, from, to uint64) {
	for seq := from; seq < to; seq++ {
		due := at(int64(seq))
		r.Due(seq, due)
		r.PublishStart(seq, due+1)
		r.PublishEnd(seq, due+2, PublishOK)
		e := Event{Task: seq, Attempt: seq + 1, PID: 7, Node: 1}
		var events [4]Event
		for i, kind := range []Kind{Received, Started, Finished, Acked} {
			e.Kind, e.At, e.Outcome = kind, due+int64(i+1)*100, None
			if kind == Finished {
				e.Outcome = OK
			}
			events[i] = e
		}
		r.Apply(events[:]...)
	}
}

func again(seq uint64, attempt uint64, when int64) []Event {
	e := Event{Task: seq, Attempt: attempt, PID: 8, Node: 2, At: when, Kind: Started}
	f := e
	f.Kind, f.At, f.Outcome = Finished, when+1000, OK
	return []Event{e, f}
}

func cutStory(t *testing.T) (*Recorder, *Cutter, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.x.tbz")
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), storyStart)
	return r, NewCutter(r, path), path
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Twelve pieces take no more memory than three, which uncut would be 64 bytes for each of the tasks between.
func TestMemoryDoesNotGrowWithThePieces(t *testing.T) {
	r, c, _ := cutStory(t)
	const each = chunkTasks / 2
	var early int64
	for piece := range uint64(12) {
		offer(r, piece*each, (piece+1)*each)
		if published, settled := c.Ready(c.Due()); !published || !settled {
			t.Fatalf("piece %d: published %v, settled %v", piece, published, settled)
		}
		if err := c.Seal(c.Due(), Meta{}, nil); err != nil {
			t.Fatal(err)
		}
		if piece == 2 {
			early = liveHeap()
		}
	}
	grown := liveHeap() - early
	if uncut := int64(9 * each * 64); grown > uncut/8 {
		t.Errorf("from piece 3 to piece 12 the heap grew by %d KiB, and uncut it would be %d", grown>>10, uncut>>10)
	}
	if live := r.Live(); live.Executed != 12*each || live.Duplicates != 0 {
		t.Errorf("%+v", live)
	}
}

// Nothing is told of the publishing of a body: its piece does not wait for that, and goes without the chords of others.
func TestBodiesAreNoPublishes(t *testing.T) {
	r, c, path := cutStory(t)
	r.Bodies(func(seq uint64) bool { return seq%5 == 4 })
	chords := []Chord{{Header: []uint64{0, 1, 2, 3}, Body: 4}, {Header: []uint64{5, 6, 7, 8}, Body: 9}}
	offer(r, 0, 4)
	r.Due(4, at(4))
	if published, settled := c.Ready(5); !published || settled {
		t.Errorf("published %v, settled %v: want a body that is still to run", published, settled)
	}
	if missing, _ := r.Missing(); missing != 1 {
		t.Errorf("%d tasks are missing, want the body", missing)
	}
	r.Apply(again(4, 99, at(4)+500)...)
	if missing, _ := r.Missing(); missing != 0 {
		t.Errorf("%d tasks are missing, and the body has run", missing)
	}
	if err := c.Seal(5, Meta{Chords: chords, Ticks: []Tick{{Entry: "each", Due: 1}}}, nil); err != nil {
		t.Fatal(err)
	}
	piece, err := ReadFile(filepath.Join(filepath.Dir(path), c.Pieces()[0].File))
	if err != nil {
		t.Fatal(err)
	}
	if got := piece.Meta().Chords; len(got) != 1 || got[0].Body != 4 || len(piece.Meta().Ticks) > 0 {
		t.Errorf("the first piece has the chords %v, want its own, and the ticks %v, want none", got, piece.Meta().Ticks)
	}
}

// What is heard of a task after its piece was stored counts as if it had been heard before: a second run of one that was
// done, the end of one that was under way, and the same event once more.
func TestWhatComesLateCounts(t *testing.T) {
	r, c, path := cutStory(t)
	offer(r, 0, 10)
	r.Due(10, at(10))
	r.PublishStart(10, at(11))
	if published, _ := c.Ready(11); published {
		t.Error("a publish that is under way has ended")
	}
	r.PublishEnd(10, at(12), PublishOK)
	r.Apply(Event{Task: 10, Attempt: 99, PID: 7, Node: 1, At: at(13), Kind: Started})
	if published, settled := c.Ready(11); !published || settled {
		t.Errorf("a task that runs: published %v, settled %v", published, settled)
	}
	if err := c.Seal(11, Meta{}, nil); err != nil {
		t.Fatal(err)
	}
	offer(r, 11, 20)
	if missing, late := c.Missing(); missing != 1 || late != 0 {
		t.Errorf("%d missing, %d late", missing, late)
	}
	old := Event{Task: 3, Attempt: 4, PID: 7, Node: 1, At: at(3) + 300, Kind: Finished, Outcome: OK}
	r.Apply(old) // told twice
	r.Apply(again(4, 777, at(50))...)
	r.Apply(Event{Task: 10, Attempt: 99, PID: 7, Node: 1, At: at(51), Kind: Finished, Outcome: Failed})
	if live := r.Live(); live.Duplicates != 1 || live.Executed != 20 {
		t.Errorf("%+v", live)
	}
	if missing, _ := r.Missing(); missing != 0 {
		t.Errorf("%d missing", missing)
	}
	if _, late := c.Missing(); late != 3 {
		t.Errorf("%d tasks came late, want 3", late)
	}
	if err := c.Save(Meta{Aborted: "not over"}); err != nil {
		t.Fatal(err)
	}
	// As after a SIGKILL: what was stored is there, with what came late, and no more.
	killed, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if killed.Len() != 11 || len(killed.Task(4).Attempts) != 2 || killed.Task(10).Executed() != 1 || len(killed.Task(3).Attempts) != 1 {
		t.Errorf("%d tasks; %+v; %+v; %+v", killed.Len(), killed.Task(3), killed.Task(4), killed.Task(10))
	}
	if _, err := c.Finish(Meta{}); err != nil {
		t.Fatal(err)
	}
	h, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if list := tasks(h); len(list) != 20 || h.Len() != 20 || *h.Meta().Tally != (Tally{Due: 20, OK: 20, Executed: 20, Duplicates: 1}) {
		t.Errorf("%d tasks, tally %+v", len(list), h.Meta().Tally)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "in 2 pieces") {
		t.Errorf("read as one: %v", err)
	}
}

// A piece that cannot be stored stays in memory, and nothing is lost by that.
func TestPieceThatCannotBeStored(t *testing.T) {
	r, c, path := cutStory(t)
	offer(r, 0, 100)
	r.Due(100, at(100))
	r.PublishStart(100, at(101))
	r.PublishEnd(100, at(102), PublishOK)
	good := c.path
	c.path = filepath.Join(filepath.Dir(path), "missing", "history.x.tbz")
	if err := c.Seal(101, Meta{}, func(*Frozen) {}); err == nil {
		t.Fatal("a piece was stored in a directory that is not there")
	}
	r.Apply(again(5, 500, at(200))...)
	r.Apply(again(100, 501, at(201))...)
	c.path = good
	h, err := c.Finish(Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Task(5).Attempts) != 2 || h.Task(100).Executed() != 1 || len(h.Meta().Pieces) != 1 || h.Len() != 101 {
		t.Errorf("%+v, %+v, %+v", h.Task(5), h.Task(100), h.Meta().Pieces)
	}
}

func TestHistoryThatLacksAPieceIsRefused(t *testing.T) {
	r, c, path := cutStory(t)
	for piece := range uint64(3) {
		offer(r, piece*10, piece*10+10)
		if err := c.Seal(c.Due(), Meta{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	h, err := c.Finish(Meta{})
	if err != nil {
		t.Fatal(err)
	}
	second := strings.Replace(path, ".tbz", ".0002.tbz", 1)
	piece, err := ReadFile(second)
	if err != nil || piece.Len() != 20 || piece.Task(15).Seq != 15 || len(tasks(piece)) != 10 {
		t.Errorf("a piece by itself: %v", err)
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "0002") {
		t.Errorf("opened without its second piece: %v", err)
	}
	if n := len(tasks(h)); n != 10 || h.Err() == nil {
		t.Errorf("%d tasks, and then %v", n, h.Err())
	}
}

// The evidence that was read is given back: the file keeps no more than what is under way, and the writer maps no more.
func TestEvidenceIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), storyStart)
	c := NewCollector(dir, r)
	c.GiveBack()
	e := open(t, dir, "worker-1", 1)
	const chunks = 40
	for i := range uint64(chunks * chunkSlots) {
		e.Write(Event{Task: Foreign, Attempt: i, At: at(1), Kind: Received})
		if i%1000 == 0 {
			if err := c.Poll(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(e.mapped.Load().chunks); n > 4 {
		t.Errorf("the writer has %d chunks mapped", n)
	}
	got, err := c.Flush()
	if want := (Collected{Files: 1, Events: chunks * chunkSlots}); err != nil || got != want {
		t.Errorf("collected %+v, %v, want %+v", got, err, want)
	}
	out, err := exec.Command("du", "-k", e.path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if kib := strings.Fields(string(out))[0]; len(kib) > 3 { // of 2,560
		t.Errorf("the file takes %s KiB", kib)
	}
}

// Of a process that is gone no file stays, and what it had not finished writing is remembered.
func TestFilesOfTheDeadAreRemoved(t *testing.T) {
	dir, r := t.TempDir(), newStory()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead, alive := open(t, dir, "worker-1", 1), open(t, dir, "worker-1", 1)
	dead.head.pid = uint32(gone.Process.Pid)
	dead.Write(story[0])
	dead.head.reserved.Add(1) // it died here
	alive.Write(story[10])
	c := NewCollector(dir, r)
	c.GiveBack()
	if err := c.Poll(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if !slices.Equal(names, []string{alive.path}) {
		t.Errorf("left: %q", names)
	}
	alive.Write(story[11])
	if got, err := c.Flush(); err != nil || got != (Collected{Files: 2, Events: 3, Torn: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
