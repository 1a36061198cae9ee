package canvas

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

func ran(t *testing.T, s Signature) *world {
	t.Helper()
	w := newWorld()
	if _, _, err := w.f.Start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	return w
}

func as(id string) Options { return Options{TaskID: id} }

func (w *world) state(id string) string {
	r, _ := w.results.Get(context.Background(), id)
	if r.Exception != nil {
		return string(r.State) + " " + r.Exception.Error()
	}
	return string(r.State) + " " + string(r.Value)
}

func (w *world) expect(t *testing.T, want map[string]string) {
	t.Helper()
	for id, state := range want {
		if got := w.state(id); got != state {
			t.Errorf("%s is %s, want %s", id, got, state)
		}
	}
}

func (w *world) names() (names []string) {
	for _, m := range w.sent {
		names = append(names, m.Headers["task"].(string))
	}
	return names
}

// TestChainFails: what comes after the failure fails with it, a chord in it included, and only the errbacks run.
func TestChainFails(t *testing.T) {
	after := Chord([]Signature{Sig("lab.add", 1).Set(as("m")), Sig("lab.add", 2).Set(as("n"))}, Sig("lab.xsum").Set(as("body")))
	w := ran(t, Chain(
		Sig("lab.add", 1, 1).Set(as("a")), Sig("lab.fail", "x").SI().LinkError(Sig("lab.onerrold")).Set(as("f")), after, Sig("lab.mul", 2).Set(as("z"))))
	failed := "FAILURE ValueError: x"
	w.expect(t, map[string]string{"a": "SUCCESS 2", "f": failed, "m": failed, "n": failed, "body": failed, "z": failed})
	if got := w.names(); !slices.Equal(got, []string{"lab.add", "lab.fail", "lab.onerrold"}) {
		t.Errorf("sent %q", got)
	}
	last := w.sent[2]
	if last.Headers["parent_id"] != "f" || last.Headers["root_id"] != "a" || w.calls[`lab.onerrold["f"]`] != 1 {
		t.Errorf("errback %+v with %s", last.Headers, last.Body)
	}
}

// TestChordFails: the body fails with a ChordError in Celery's words once all members have ended, and its errbacks run.
func TestChordFails(t *testing.T) {
	for _, counts := range []bool{true, false} {
		t.Run(fmt.Sprint("counter ", counts), func(t *testing.T) {
			w := newWorld()
			if !counts {
				w.f.Results = plainResults{w.results}
			}
			s := Chain(
				Chord([]Signature{Sig("lab.fail", "it's").Set(as("f")), Sig("lab.add", 1, 1).Set(as("a"))},
					Sig("lab.xsum").Set(as("body")).LinkError(Sig("lab.onerrold"))),
				Chord([]Signature{Sig("lab.add", 1).Set(as("m"))}, Sig("lab.xsum").Set(as("end"))))
			if _, _, err := w.f.Start(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			if err := w.run(); err != nil {
				t.Fatal(err)
			}
			failed := `FAILURE celery.exceptions.ChordError: Dependency f raised ValueError("it's")`
			w.expect(t, map[string]string{"f": "FAILURE ValueError: it's", "a": "SUCCESS 2", "body": failed, "m": failed, "end": failed})
			if w.calls[`lab.onerrold["body"]`] != 1 {
				t.Errorf("calls %v", w.calls)
			}
			if counts && len(w.results.parts)+len(w.results.size) > 0 {
				t.Error("the chord is still there")
			}
		})
	}
}

// TestInnerChordFails: a chord whose member is a chord that fails, or a chain that fails at its first step, hears of
// it; nobody waits for ever.
func TestInnerChordFails(t *testing.T) {
	inner := Chord([]Signature{Sig("lab.fail", "x").Set(as("f")), Sig("lab.add", 1, 1)}, Sig("lab.xsum").Set(as("inner")))
	chain := Chain(Sig("lab.fail", "y").Set(as("g")), Sig("lab.add", 1), Sig("lab.add", 2).Set(as("last")))
	w := ran(t, Chord([]Signature{Sig("lab.add", 2, 2), inner}, Sig("lab.xsum").Set(as("outer"))))
	w.expect(t, map[string]string{
		"inner": "FAILURE celery.exceptions.ChordError: Dependency f raised ValueError('x')",
		"outer": `FAILURE celery.exceptions.ChordError: Dependency inner raised ChordError("Dependency f raised ValueError('x')")`,
	})
	w = ran(t, Chord([]Signature{Sig("lab.add", 2, 2), chain}, Chain(Sig("lab.xsum").Set(as("body")), Group(Sig("lab.add", 1).Set(as("p")), Sig("lab.add", 2).Set(as("q"))))))
	failed := "FAILURE celery.exceptions.ChordError: Dependency last raised ValueError('y')"
	w.expect(t, map[string]string{"last": "FAILURE ValueError: y", "body": failed, "p": failed, "q": failed})
}

// TestRevoked: a chain and a chord do not wait for a task that was revoked. Errbacks are not sent.
func TestRevoked(t *testing.T) {
	w := newWorld()
	s := Chord([]Signature{Sig("lab.add", 2, 2), Chain(Sig("lab.add", 1, 1).LinkError(Sig("lab.onerrold")), Sig("lab.add", 1).Set(as("last")))}, Sig("lab.xsum").Set(as("body")))
	if _, _, err := w.f.Start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	task, err := message.Read(w.queue[1])
	if err != nil {
		t.Fatal(err)
	}
	body, _ := task.Body()
	w.queue = w.queue[:1]
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	if err := w.f.Revoked(context.Background(), &task, body, result.NewException("celery.exceptions", "TaskRevokedError", "revoked")); err != nil {
		t.Fatal(err)
	}
	w.expect(t, map[string]string{
		"last": "REVOKED celery.exceptions.TaskRevokedError: revoked",
		"body": "FAILURE celery.exceptions.ChordError: Dependency last raised TaskRevokedError('revoked')",
	})
	if len(w.queue) > 0 {
		t.Errorf("sent %v", w.queue)
	}
}

// TestUnlockAsCelerySendsIt: without a Counter the header is preceded by the task that Celery 5.6 sends.
func TestUnlockAsCelerySendsIt(t *testing.T) {
	w := newWorld()
	w.f.ReplyTo = "00000000-0000-0000-0000-00000000cafe"
	w.f.Results = plainResults{w.results}
	if _, _, err := w.f.Start(context.Background(), Chord([]Signature{Sig("lab.add", 1, 1), Sig("lab.add", 2, 2)}, Sig("lab.xsum"))); err != nil {
		t.Fatal(err)
	}
	compare(t, "chord-unlock-56", w.sent, captured(t, "chord-unlock-56"))
	if w.sent[0].Headers["eta"] == nil {
		t.Error("it looks at once")
	}
}

// TestUnlockOfCelery: our worker ends a chord that Celery's client began, for both versions, and for a header whose
// members are groups.
func TestUnlockOfCelery(t *testing.T) {
	for _, name := range []string{"chord-unlock-52", "chord-unlock-56"} {
		w := newWorld()
		w.f.Results = plainResults{w.results}
		w.queue = captured(t, name)
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		body := w.sent[len(w.sent)-1]
		if body.Headers["task"] != "lab.xsum" || w.state(body.CorrelationID) != "SUCCESS 6" {
			t.Errorf("%s: sent %v, which is %s", name, w.names(), w.state(body.CorrelationID))
		}
	}
	w := newWorld()
	for i := range 3 {
		_ = w.results.Store(context.Background(), result.Record{TaskID: fmt.Sprint(i), State: result.Success, Value: number(i)})
	}
	m, err := message.New(taskUnlock, "u", []any{"G", Sig("t").Set(as("body"))}, map[string]any{
		"result": []any{[]any{[]any{"0", nil}, nil}, []any{[]any{"inner", nil}, []any{[]any{[]any{"1", nil}, nil}, []any{"2", nil}}}},
	}, message.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.tasks = digest
	w.queue = []brokers.Message{m}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	if w.calls["t[[0,[1,2]]]"] != 1 {
		t.Errorf("calls %v", w.calls)
	}
}

// TestChordOfCeleryWithGroups: a header that ends in groups reports their members; the saved group has the order.
func TestChordOfCeleryWithGroups(t *testing.T) {
	w := newWorld()
	w.tasks = digest
	w.results.groups["G"] = []byte(`[["G", null], [[["inner", null], [[["b", null], null], [["a", null], null]]], [["c", null], null]]]`)
	w.results.size["G"] = 3
	for _, id := range []string{"a", "b", "c"} {
		s := Sig("t", id).SI().Set(as(id)).With("group_id", "G").With("group_index", 0).With("chord", Sig("body").Set(as("body")))
		if _, _, err := w.f.Start(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	value := func(id string) string { return string(w.results.records[id].Value) }
	if want := fmt.Sprintf("body[[[%s,%s],%s]]", value("b"), value("a"), value("c")); w.calls[want] != 1 {
		t.Errorf("calls %v, want %s", w.calls, want)
	}
}
