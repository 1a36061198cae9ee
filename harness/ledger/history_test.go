package ledger

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// busy is a history with all that a file must carry: several blocks, retries, strays, foreign events.
func busy(n int) *Frozen {
	rng := rand.New(rand.NewPCG(7, 7))
	r := NewRecorder(NewRun(rng), storyStart)
	ids := uint64(0)
	for seq := range uint64(n) {
		due := int64(seq) * 200_000
		r.Due(seq, storyStart+due)
		if seq%97 == 96 {
			continue
		}
		sent := due + rng.Int64N(ms)
		r.Terms(seq, uint8(seq%3))
		r.PublishStart(seq, storyStart+sent)
		r.PublishEnd(seq, storyStart+sent+rng.Int64N(ms), PublishOutcome(1+rng.IntN(3)))
		for range 1 + rng.IntN(40)/38 {
			ids++
			got := storyStart + sent + rng.Int64N(20*ms)
			e := Event{Task: seq, Attempt: ids, At: got, PID: uint32(4000 + rng.IntN(8)), Node: uint16(rng.IntN(3)), Kind: Received}
			r.Apply(e)
			e.Kind, e.At = Started, got+rng.Int64N(ms)
			r.Apply(e)
			if ids%5 == 0 {
				e.Kind = Told
				r.Apply(e)
			}
			e.Kind, e.At, e.Outcome = Finished, e.At+rng.Int64N(50*ms), Outcome(1+rng.IntN(5))
			r.Apply(e)
			e.Kind, e.At, e.Outcome = Acked, e.At+rng.Int64N(ms), None
			r.Apply(e)
		}
	}
	r.Apply(Event{Task: 1 << 33, Attempt: 1, At: at(1), Kind: Malformed}, Event{Task: 1 << 34, Attempt: 2, At: at(2), Kind: Returned},
		Event{Task: Foreign, Attempt: 3, At: at(3), Kind: Received})
	return r.Freeze(Meta{Scenario: "s", Nodes: []string{"broker", "worker-1", "worker-2"}, Faults: []FaultSpan{{Fault: "kill", At: 5}}, LeftIDs: []uint64{3},
		Terms: []Terms{{Task: "io", ETA: 5}, {Task: "fail", Retries: 2}}, Ordered: true, Ticks: []Tick{{Entry: "e", Due: 7, Sent: []int64{8, 9}}},
		Chords: []Chord{{Header: []uint64{1, 2}, Body: 3}}, Series: []Series{{Node: "broker", What: "rss", At: []int64{1}, Of: []float64{2.5}}}})
}

func TestHistoryFileKeepsEverything(t *testing.T) {
	h := busy(3*blockTasks/2 + 5)
	path := filepath.Join(t.TempDir(), "history.tbz")
	if err := WriteFile(path, h); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Meta(), h.Meta()) {
		t.Errorf("meta %+v, want %+v", got.Meta(), h.Meta())
	}
	want, have := tasks(h), tasks(got)
	if len(want) != len(have) || got.Len() != h.Len() {
		t.Fatalf("%d tasks, want %d", len(have), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(want[i], have[i]) {
			t.Fatalf("task %d: %+v, want %+v", i, have[i], want[i])
		}
	}
	wantF, wantN := h.Foreign()
	if f, n := got.Foreign(); n != wantN || !reflect.DeepEqual(f, wantF) {
		t.Errorf("foreign %+v (%d), want %+v (%d)", f, n, wantF, wantN)
	}
	// A history that was read is written the same again.
	var first, second bytes.Buffer
	if err := Write(&first, h); err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, got); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("written again it differs (%v)", err)
	}
	t.Logf("%.1f bytes a task", float64(first.Len())/float64(h.Len()))
}

func TestTruncatedHistoryIsAnErrorAtEveryLength(t *testing.T) {
	var whole bytes.Buffer
	if err := Write(&whole, busy(60)); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() {
		if _, err := Read(bytes.NewReader(whole.Bytes()[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a history", n, whole.Len())
		}
	}
	if _, err := Read(bytes.NewReader(append(whole.Bytes(), 'x'))); err == nil {
		t.Error("a history with something after its end was read")
	}
}

func TestDamagedHistoryIsAnErrorOrHarmless(t *testing.T) {
	h := busy(60)
	var whole bytes.Buffer
	if err := Write(&whole, h); err != nil {
		t.Fatal(err)
	}
	want, caught := tasks(h), 0
	for i := range whole.Len() {
		b := bytes.Clone(whole.Bytes())
		b[i] ^= 1 << (i % 8)
		got, err := Read(bytes.NewReader(b))
		switch {
		case err != nil:
			caught++
		case !reflect.DeepEqual(tasks(got), want) || !reflect.DeepEqual(got.Meta(), h.Meta()):
			t.Fatalf("a flipped bit in byte %d changes the history unnoticed", i)
		}
	}
	if caught < whole.Len()*99/100 {
		t.Errorf("only %d of %d flipped bits were noticed", caught, whole.Len())
	}
}

// Each frame is whole here, and its checksum right.
func TestFramesThatDoNotAddUp(t *testing.T) {
	task := block{}
	task.add(&Task{Seq: 1})
	for name, frames := range map[string]func(*bytes.Buffer) error{
		"does not begin": func(b *bytes.Buffer) error { return writeJSON(b, frameEnd, totals{}) },
		"it held": func(b *bytes.Buffer) error {
			return errors.Join(writeJSON(b, frameMeta, Meta{}), writeJSON(b, frameEnd, totals{Tasks: 5}))
		},
		"task 1 where 0": func(b *bytes.Buffer) error {
			return errors.Join(writeJSON(b, frameMeta, Meta{}), writeFrame(b, frameTasks, task.encode()))
		},
		"ends too soon": func(b *bytes.Buffer) error {
			return errors.Join(writeJSON(b, frameMeta, Meta{}), writeFrame(b, frameTasks, []byte{9}))
		},
		"unknown frame": func(b *bytes.Buffer) error {
			return errors.Join(writeJSON(b, frameMeta, Meta{}), writeFrame(b, '?', nil))
		},
		"truncated": func(b *bytes.Buffer) error { return writeJSON(b, frameMeta, Meta{}) },
	} {
		file := bytes.NewBuffer(append([]byte(historyMagic), Schema))
		z, err := zstd.NewWriter(file)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := frames(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want it to say %q", err, name)
		}
	}
}

func TestReadFileSaysWhatIsWrong(t *testing.T) {
	h := busy(10)
	tests := map[string]struct {
		spoil func([]byte) []byte
		want  string
	}{
		"another kind of file": {func(b []byte) []byte { return []byte("PK\x03\x04 and so on") }, "not a history file"},
		"a newer format":       {func(b []byte) []byte { b[len(historyMagic)] = inPieces + 1; return b }, "reads versions 1 to 3"},
		"cut":                  {func(b []byte) []byte { return b[:len(b)/2] }, "truncated"},
	}
	for name, tt := range tests {
		var b bytes.Buffer
		if err := Write(&b, h); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "h")
		if err := os.WriteFile(path, tt.spoil(b.Bytes()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want it to say %q and the path", name, err, tt.want)
		}
	}
}

func TestWriteFileLeavesNothingBehindOnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.tbz")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, busy(10)); err == nil {
		t.Error("a directory was overwritten")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := WriteFile(filepath.Join(dir, "missing", "h"), busy(1)); err == nil {
		t.Error("written into a directory that is not there")
	}
}
