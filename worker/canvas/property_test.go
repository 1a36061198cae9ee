package canvas

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

const seeds = 400

// spoil changes a world before it runs.
type spoil func(w *world)

// tryOut runs a random workflow with workers that die and messages that come twice, and says what was wrong.
func tryOut(seed uint64, change spoil) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := (&maker{rng: rng}).make(3)
	c := &calculator{calls: map[string]bool{}}
	want := c.value(s, nil)

	w := newWorld()
	w.tasks, w.rng, w.lives = digest, rng, rng.IntN(40)
	w.deaths = w.lives
	if change != nil {
		change(w)
	}
	_, tuple, err := w.start(s)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := w.run(); err != nil {
		return err
	}
	r, err := ParseResult(tuple)
	if err != nil {
		return err
	}
	got, err := r.Join(context.Background(), w.results)
	if err != nil {
		return err
	}
	if got, want = plainJSON(got), plainJSON(want); !bytes.Equal(got, want) {
		return fmt.Errorf("result %s, want %s", got, want)
	}
	return w.judge(c)
}

// judge looks at what was called, how often bodies ran, and what was left behind. After a repetition parts may be left
// of a chord that was closed; they expire.
func (w *world) judge(c *calculator) error {
	for call := range w.calls {
		if !c.calls[call] {
			return fmt.Errorf("called %s, which nobody asked for", call)
		}
	}
	for call := range c.calls {
		if w.calls[call] == 0 {
			return fmt.Errorf("never called %s", call)
		}
	}
	for _, m := range w.sent {
		if id := m.CorrelationID; m.Headers[HeaderOnce] == true && w.results.stored[id] != 1 {
			return fmt.Errorf("the body of a chord, %s, ran %d times", id, w.results.stored[id])
		}
	}
	if w.deaths == w.lives && w.twice == 0 && len(w.results.size)+len(w.results.parts) > 0 {
		return fmt.Errorf("nothing went wrong, and yet %d chords were left behind", len(w.results.size))
	}
	return nil
}

func plainJSON(raw json.RawMessage) []byte {
	var b bytes.Buffer
	_ = json.Compact(&b, raw)
	return b.Bytes()
}

// TestRandomWorkflows: whatever is nested in whatever, whoever dies when, and whatever comes twice, a workflow comes
// to what it means, and bodies run once.
func TestRandomWorkflows(t *testing.T) {
	for seed := range uint64(seeds) {
		if err := tryOut(seed, nil); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestRandomWorkflowsWithoutCounter: the same where celery.chord_unlock polls.
func TestRandomWorkflowsWithoutCounter(t *testing.T) {
	for seed := range uint64(seeds) {
		err := tryOut(seed, func(w *world) { w.f.Results = plainResults{w.results} })
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestPlantedBugs: what the tests above look for, they find.
func TestPlantedBugs(t *testing.T) {
	bugs := map[string]spoil{
		"bodies are not asked for": func(w *world) { w.unguarded = true },
	}
	for _, b := range []bug{countsTwice, neverClosed, lostLast, earlyEnd, forgetful} {
		bugs[string(b)] = func(w *world) { w.results.bug = b }
	}
	for name, plant := range bugs {
		var found error
		for seed := range uint64(seeds) {
			if found = tryOut(seed, plant); found != nil {
				t.Logf("%s: found by seed %d, as: %v", name, seed, found)
				break
			}
		}
		if found == nil {
			t.Errorf("%s: no seed of %d finds it", name, seeds)
		}
	}
}
