package ledger

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// What was asked of a task, and how its publish went, share a byte and do not disturb each other, in whatever order
// they become known.
func TestTermsAndPublishAreKeptApart(t *testing.T) {
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), storyStart)
	for seq := range uint64(MaxTerms + 1) {
		r.Due(seq, at(1))
		r.Terms(seq, uint8(seq))
		r.PublishStart(seq, at(2))
		r.PublishEnd(seq, at(3), PublishUnknown)
		r.PublishEnd(seq, at(4), PublishOK)
		if seq%2 == 0 {
			r.Terms(seq, uint8(seq))
		}
	}
	meta := Meta{Terms: []Terms{{Task: "first"}, {Task: "second"}}}
	h := r.Freeze(meta)
	for i := range h.Len() {
		task := h.Task(i)
		if task.Terms != uint8(i) || task.Publish != PublishOK {
			t.Errorf("task %d has terms %d and publish %d", i, task.Terms, task.Publish)
		}
		asked, known := meta.Asked(&task)
		if known != (i == 1 || i == 2) || known && asked != meta.Terms[i-1] {
			t.Errorf("of task %d was asked %+v, known %v", i, asked, known)
		}
	}
	if got := r.Live(); got.Acknowledged != MaxTerms+1 || got.Unknown != 0 {
		t.Errorf("counted %+v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("terms that do not fit were taken")
		}
	}()
	r.Terms(0, MaxTerms+1)
}

// Histories of builds that knew no terms are read: theirs is the same format.
func TestEarlierVersionIsRead(t *testing.T) {
	h := busy(9)
	h.meta.Terms = nil
	for i := range h.n {
		h.chunks[0][i].setTerms(0)
	}
	var b bytes.Buffer
	if err := Write(&b, h); err != nil {
		t.Fatal(err)
	}
	b.Bytes()[len(historyMagic)] = oldest
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != 9 || got.Task(1).Publish != h.Task(1).Publish || got.Task(1).Terms != 0 {
		t.Errorf("%d tasks, the second %+v", got.Len(), got.Task(1))
	}
}

// The times at which tasks were told of their soft limits are the last of a block, so that a build that does not know them
// reads the rest; where there are none the block is as that build would have written it.
func TestEarlierBuildsReadPastTold(t *testing.T) {
	encoded := func(told int64) []byte {
		var b block
		for seq := range uint64(3) {
			b.add(&Task{Seq: seq, Attempts: []Attempt{{ID: seq, Started: 32, Finished: 320, Told: told * int64(seq)}}})
		}
		return b.encode()
	}
	with, without := encoded(160), encoded(0)
	if !bytes.HasPrefix(with, without) || len(with) == len(without) {
		t.Errorf("with such times a block is\n%x\nand without\n%x", with, without)
	}
	for told, raw := range map[int64][]byte{160: with, 0: without} {
		b, err := decodeBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		for seq := range int64(3) {
			var task Task
			if b.next(&task); b.err != nil || task.Attempts[0].Told != told*seq {
				t.Errorf("task %d: %+v, %v; want it told at %d", seq, task.Attempts, b.err, told*seq)
			}
		}
	}
}
