package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir, node string, index uint16) *Evidence {
	t.Helper()
	e, err := OpenEvidence(dir, node, index)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestCollectorFollowsFilesAsTheyAppear(t *testing.T) {
	dir, r := t.TempDir(), newStory()
	c := NewCollector(dir, r)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	parent := open(t, dir, "worker-1", 1)
	await(t, "the parent's event", func() bool {
		if r.Live().Received == 0 {
			parent.Write(story[0])
		}
		return r.Live().Received == 1
	})
	child := open(t, dir, "worker-1", 1)
	child.Write(story[1])
	child.Write(story[2])
	await(t, "the child's events", func() bool { return r.Live().Executed == 1 })
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	late := open(t, dir, "worker-2", 2)
	late.Write(story[11])
	late.Write(story[12])
	if got, err := c.Flush(); err != nil || got.Files != 3 || got.Torn+got.Lost != 0 || r.Live().Executed != 2 {
		t.Errorf("after Flush: %+v, %v, live %+v", got, err, r.Live())
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if c.Collected().Files != 3 || c.Poll() == nil {
		t.Error("a closed collector forgot what it read, or reads on")
	}
}

// await polls for a condition, for ten seconds at most.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("%s did not come", what)
		case <-tick.C:
		}
	}
}

func TestCollectorAddsTheClockOffset(t *testing.T) {
	dir, r := t.TempDir(), newStory()
	e := open(t, dir, "far", 1)
	e.head.offset = 500 * ms
	e.Write(Event{Task: 0, Attempt: 1, At: at(1), Kind: Started})
	if _, err := NewCollector(dir, r).Flush(); err != nil {
		t.Fatal(err)
	}
	if got := r.Freeze(Meta{}).Task(0).Attempts[0].Started; got != 501*ms {
		t.Errorf("started at %d ns, want %d", got, 501*ms)
	}
}

func TestCollectorSaysWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"short": "x", "other": strings.Repeat("x", 2*headerSize)} {
		if err := os.WriteFile(filepath.Join(dir, name+evidenceSuffix), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := open(t, dir, "worker-1", 1)
	e.Write(story[0])
	r := newStory()
	got, err := NewCollector(dir, r).Flush()
	if err == nil || !strings.Contains(err.Error(), "short") || !strings.Contains(err.Error(), "other") {
		t.Errorf("error %v names not both bad files", err)
	}
	if got.Events != 1 {
		t.Errorf("%+v: the good file was not read", got)
	}
	if err := NewCollector(filepath.Join(dir, "missing"), r).Run(t.Context()); err == nil {
		t.Error("a directory that is not there was collected")
	}
}

// Polling reads a directory only when its time changes; flushing does in any case.
func TestFlushTrustsNoClock(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	age := func() {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	age()
	c := NewCollector(dir, newStory())
	if err := c.Poll(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, "worker-1", 1).Write(story[0])
	age()
	if err := c.Poll(); err != nil || c.Collected().Files != 0 {
		t.Errorf("polled %+v, %v: the directory was read though it looks the same", c.Collected(), err)
	}
	if got, err := c.Flush(); err != nil || got.Events != 1 {
		t.Errorf("flushed %+v, %v, want one event", got, err)
	}
}

func TestCollectorReadsMoreThanOneBatch(t *testing.T) {
	dir, r := t.TempDir(), newStory()
	e := open(t, dir, "worker-1", 1)
	const n = 3*batch + 7
	for i := range n {
		e.Write(Event{Task: Foreign, Attempt: uint64(i), Kind: Received})
	}
	c := NewCollector(dir, r)
	if err := c.Poll(); err != nil || c.Collected().Events != n {
		t.Errorf("%+v, %v: want %d events", c.Collected(), err, n)
	}
	if _, all := r.Freeze(Meta{}).Foreign(); all != n {
		t.Errorf("the recorder got %d events, want %d", all, n)
	}
}
