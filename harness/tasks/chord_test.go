package tasks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
)

func number(seq uint64) string { return fmt.Sprintf("00000000-0000-8000-8000-%012x", seq) }

// Of every four tasks three carry the fourth with them, in the form of Celery, and ask for what they ask for otherwise.
func TestHeadersCarryTheirBody(t *testing.T) {
	tasks := []scenario.TaskMix{
		{Task: "io", Weight: 1, Via: "sleep", Duration: scenario.Dist{Kind: "exponential", Mean: time.Millisecond}}, {Task: "noop", Weight: 1, Payload: 100},
	}
	plain := mixture(t, 3, tasks...)
	m, err := NewMix(scenario.Workload{Tasks: tasks, Chord: 3}, 3, env)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Chords()
	for seq := range uint64(40) {
		body := seq/4*4 + 3
		if c.BodyOf(seq) != body || c.IsBody(seq) != (seq == body) || c.IsLast(seq) != (seq+1 == body) {
			t.Fatalf("task %d: its body is %d (itself: %v), it is the last of the header: %v", seq, c.BodyOf(seq), c.IsBody(seq), c.IsLast(seq))
		}
		if c.IsBody(seq) {
			continue
		}
		sent, before := m.Message(seq, number(seq), "q"), plain.Message(seq, number(seq), "q")
		c.Enlist(&sent, seq, number(body))
		task, err := message.Read(sent)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := task.Body()
		if err != nil {
			t.Fatalf("task %d: %v in %s", seq, err, sent.Body)
		}
		if _, want := kwargs(t, before); !reflect.DeepEqual(parts.Kwargs, want) {
			t.Errorf("task %d asks for %s, want %s", seq, parts.Kwargs, want)
		}
		if h := sent.Headers; h["group"] != number(body) || h["group_index"] != int(seq%4) || h["id"] != number(seq) {
			t.Errorf("headers of task %d: %v", seq, h)
		}
		e, err := canvas.ParseEmbed(parts.Embed)
		if err != nil {
			t.Fatal(err)
		}
		s, err := canvas.Parse(e.Chord)
		if id, _ := json.Marshal(number(body)); err != nil || s.Task != "bench.noop" || string(s.Options["task_id"]) != string(id) || string(s.Options["group_id"]) != string(id) {
			t.Errorf("the body that task %d carries is %+v, %v", seq, s, err)
		}
	}
}

// A chord is known once its header was due: workers may run its body at once.
func TestWholeChords(t *testing.T) {
	c, err := newChords(2)
	if err != nil {
		t.Fatal(err)
	}
	first, second := ledger.Chord{Header: []uint64{0, 1}, Body: 2}, ledger.Chord{Header: []uint64{3, 4}, Body: 5}
	for due, want := range map[uint64][]ledger.Chord{0: {}, 1: {}, 2: {first}, 3: {first}, 4: {first}, 5: {first, second}, 6: {first, second}} {
		if got := c.Whole(due); !reflect.DeepEqual(got, want) {
			t.Errorf("of %d tasks: %v, want %v", due, got, want)
		}
	}
	if none := (Chords{}); none.Whole(10) != nil || none.IsBody(0) || none.IsLast(0) {
		t.Error("there are chords where there are none")
	}
}

// What no worker can read stays so, and is of the chord whose header it keeps from ending.
func TestSpoiledTaskOfAChord(t *testing.T) {
	m, err := NewMix(scenario.Workload{Tasks: []scenario.TaskMix{{Task: "poison", Weight: 1, Flaw: "body"}}, Chord: 2}, 1, env)
	if err != nil {
		t.Fatal(err)
	}
	sent := m.Message(1, number(1), "q")
	before := string(sent.Body)
	c := m.Chords()
	c.Enlist(&sent, 1, number(2))
	if string(sent.Body) != before || sent.Headers["group"] != number(2) {
		t.Errorf("body %q, was %q; headers %v", sent.Body, before, sent.Headers)
	}
}
