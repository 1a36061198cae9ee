package tasks

import (
	"testing"
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/worker/message"
)

// What a line of the workload asks for stands in its messages, as workers read it, and in the terms that go with the
// history; lines that ask for the same share them.
func TestTermsAreInMessagesAndHistory(t *testing.T) {
	mixes := []scenario.TaskMix{
		{Task: "noop", Weight: 1, ETA: time.Minute, Expires: time.Hour},
		{Task: "fail", Weight: 1, Fails: 2},
		{Task: "noop", Weight: 1, Soft: time.Second, Limit: 1500 * time.Millisecond, Keys: 4},
		{Task: "noop", Weight: 1, Payload: 10},
		{Task: "noop", Weight: 1, Payload: 20},
	}
	want := []ledger.Terms{
		{Task: "noop", ETA: int64(time.Minute), Expires: int64(time.Hour)}, {Task: "fail", Retries: 2},
		{Task: "noop", Soft: int64(time.Second), Limit: int64(1500 * time.Millisecond), Keys: 4}, {Task: "noop"},
	}
	m := mixture(t, 1, mixes...)
	if got := m.Terms(); len(got) != len(want) {
		t.Fatalf("terms %+v, want %+v", got, want)
	}
	due := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
	seen := map[uint8]int{}
	for seq := range uint64(200) {
		of := m.TermsOf(seq)
		seen[of]++
		terms := m.Terms()[of-1]
		if terms != want[of-1] || terms.Task != m.Task(seq) {
			t.Fatalf("task %d has terms %+v, want %+v", seq, terms, want[of-1])
		}
		raw := m.Message(seq, "00000000-0000-8000-8000-000000000001", "q")
		m.Ask(&raw, seq, due)
		read, err := message.Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		at := func(after int64) time.Time {
			if after == 0 {
				return time.Time{}
			}
			return due.Add(time.Duration(after))
		}
		if !read.ETA.Equal(at(terms.ETA)) || !read.Expires.Equal(at(terms.Expires)) || read.Soft != time.Duration(terms.Soft) || read.Hard != time.Duration(terms.Limit) {
			t.Fatalf("a worker reads ETA %v, expiry %v, limits %v and %v of %+v", read.ETA, read.Expires, read.Soft, read.Hard, terms)
		}
		if raw.Expiration != 0 {
			t.Fatal("the broker was told of the expiry")
		}
	}
	if len(seen) != len(want) || seen[4] < seen[1] {
		t.Errorf("of each terms %v tasks", seen)
	}
}
