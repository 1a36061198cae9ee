package tasks

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/harness/scenario"
	"taskbench/worker/message"
)

// A poisoned message has an id by which it can be counted, and one flaw, in its name or in its body.
func TestPoisonIsSpoiled(t *testing.T) {
	for _, flaw := range []string{"name", "body"} {
		m := mixture(t, 1, scenario.TaskMix{Task: "poison", Weight: 1, Flaw: flaw}).Message(1, "the-id", "q")
		read, err := message.Read(m)
		if err != nil || read.ID != "the-id" {
			t.Fatalf("%s: read as %q, %v", flaw, read.ID, err)
		}
		_, bad := read.Body()
		unknown := read.Name == unknownTask
		if unknown != (flaw == "name") || (bad != nil) != (flaw == "body") {
			t.Errorf("%s: task %s, body %v", flaw, read.Name, bad)
		}
		if slices.Contains(Registry().Names(), read.Name) == unknown {
			t.Errorf("%s: task %s is known: %v", flaw, read.Name, unknown)
		}
	}
	if err := spoil(&brokers.Message{}, "smell"); err == nil || !strings.Contains(err.Error(), "name or body") {
		t.Errorf("another flaw: %v", err)
	}
}

func TestStubbornDoesNotHeedItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		asked, err := runStubborn(ctx, request(t, `{"us": 1500000}`))
		if err != nil || asked != true || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("after %v: asked to end %v, %v", time.Since(began), asked, err)
		}
	})
}

func TestBlockerBlocksForItsTime(t *testing.T) {
	for _, whole := range []bool{false, true} {
		began := time.Now()
		if err := block(20*time.Millisecond, whole); err != nil || time.Since(began) < 20*time.Millisecond {
			t.Errorf("whole %v: blocked for %v, %v", whole, time.Since(began), err)
		}
	}
	if _, err := runBlocker(t.Context(), request(t, `{"us": -1}`)); err == nil {
		t.Error("a negative time was accepted")
	}
}

func TestBulkyReturnsAsMuchAsItIsTold(t *testing.T) {
	got, err := runBulky(t.Context(), request(t, `{"result": 5000}`))
	if text, ok := got.(string); err != nil || !ok || len(text) != 5000 {
		t.Errorf("got %d bytes, %v", len(text), err)
	}
	for _, wrong := range []string{`{"result": -1}`, `{"result": 1000000000000}`} {
		if _, err := runBulky(t.Context(), request(t, wrong)); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
