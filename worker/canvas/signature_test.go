package canvas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

// TestUnknownMembersStay: what this package does not know survives reading, changing and writing.
func TestUnknownMembersStay(t *testing.T) {
	raw := `{"task": "celery.chord", "args": [1], "kwargs": {"kwargs": {"k": 1}, "other": null,
		"header": {"task": "celery.group", "args": [], "kwargs": {"tasks": [{"task": "a", "args": [], "kwargs": {}, "options": {"later": {"x": [1]}}, "subtask_type": null, "immutable": true, "chord_size": null}]},
			"options": {"task_id": "G", "new": true}, "subtask_type": "group", "immutable": false},
		"body": {"task": "b", "args": [], "kwargs": {}, "options": {}, "subtask_type": "xmap", "immutable": false}},
		"options": {"root_id": null}, "subtask_type": "chord", "immutable": false, "chord_size": 3, "future": ["x"]}`
	s, err := Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "a chord", s.append(nil), []byte(raw))
	changed := s.Link(Sig("c")).append(nil)
	want := strings.Replace(raw, `"options": {}, "subtask_type": "xmap"`, `"options": {"link": [`+string(Sig("c").append(nil))+`]}, "subtask_type": "xmap"`, 1)
	sameJSON(t, "with a callback", changed, []byte(want))
	sameJSON(t, "the one it was made of", s.append(nil), []byte(raw))
}

// TestBuildersCopy: a signature that others are made of does not change.
func TestBuildersCopy(t *testing.T) {
	s := Sig("a", 1).Kw("k", 1).Link(Sig("cb"))
	g := Group(s, s)
	before := string(g.append(nil))
	_ = s.Kw("k", 2).Link(Sig("other")).LinkError(Sig("e")).SI().Set(Options{Queue: "q"})
	_ = g.SI()
	_ = g.LinkError(Sig("e"))
	_ = Chain(g, Sig("b"), g, s)
	_ = freezer{namer: namer{seed: "x"}}.freeze(Chain(g, Chord([]Signature{g, s}, s), g), "")
	if after := string(g.append(nil)); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func TestParseRefuses(t *testing.T) {
	deep := `{"task": "a"}`
	for range Deepest {
		deep = `{"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [` + deep + `]}}`
	}
	for _, raw := range []string{
		``, `null`, `3`, `[]`, `{}`, `{"task": ""}`, `{"task": 3}`, `{"task": "a", "args": {}}`, `{"task": "a", "kwargs": []}`, `{"task": "a", "options": "x"}`,
		`{"task": "a"} x`, `{"task": "c", "subtask_type": "chain", "kwargs": {"tasks": {}}}`, `{"task": "c", "subtask_type": "group", "kwargs": {"tasks": [1]}}`,
		`{"task": "c", "subtask_type": "chord", "kwargs": {"header": [], "body": []}}`, deep, strings.Repeat("[", 5000),
	} {
		if s, err := Parse([]byte(raw)); !errors.Is(err, ErrSignature) {
			t.Errorf("%.100s: %+v, %v", raw, s, err)
		}
	}
	for _, raw := range []string{`3`, `{"callbacks": [3]}`, `{"errbacks": [{}]}`, `{"chain": 3}`} {
		if _, err := ParseEmbed([]byte(raw)); !errors.Is(err, ErrSignature) {
			t.Errorf("embed %s: %v", raw, err)
		}
	}
	for _, raw := range []string{``, `null`, `{}`, `{"callbacks": null, "chain": [], "chord": null}`} {
		if e, err := ParseEmbed([]byte(raw)); err != nil || len(e.Callbacks)+len(e.Chain)+len(e.Chord) > 0 {
			t.Errorf("embed %s: %+v, %v", raw, e, err)
		}
	}
}

// FuzzSignature: whatever comes, reading answers with a signature or an error of ErrSignature; what was read is
// written so that it is read as the same; and sending it answers too, with messages that can be read.
func FuzzSignature(f *testing.F) {
	for _, name := range []string{"signatures-52", "signatures-56"} {
		raw, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil {
			f.Fatal(err)
		}
		for _, s := range all {
			f.Add([]byte(s))
		}
	}
	for _, name := range []string{"chain-group-chain-56", "chord-of-chains-52"} {
		task, _ := message.Read(captured(f, name)[0])
		body, _ := task.Body()
		e, err := ParseEmbed(body.Embed)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range e.Chain {
			f.Add([]byte(s))
		}
	}
	f.Add([]byte(`{"task": "a", "args": [NaN], "options": {"chain": [{"task": "b"}], "link": {"task": "c"}}}`))
	f.Add([]byte(`{"task": "celery.chunks", "kwargs": {"it": [[]], "n": 1}}`)) // names nothing to be called
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(raw)
		if err != nil {
			if !errors.Is(err, ErrSignature) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if !utf8.Valid(raw) { // messages are, or are refused
			return
		}
		text := s.append(nil)
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%s, as it was written, cannot be read: %v", text, err)
		}
		if !bytes.Equal(again.append(nil), text) {
			t.Fatalf("%s was read as %s", text, again.append(nil))
		}
		w := newWorld()
		if _, _, err := w.f.Start(context.Background(), s); err != nil && !errors.Is(err, ErrSignature) {
			t.Fatalf("start: %v", err)
		}
		for _, m := range w.sent {
			task, err := message.Read(m)
			if err == nil {
				_, err = task.Body()
			}
			if err != nil {
				var e *message.Error
				if errors.As(err, &e) && e.Reason == message.BadHeader { // headers of the signature's own win
					continue
				}
				t.Fatalf("sent what cannot be read: %v", err)
			}
		}
		_ = w.f.abandon(context.Background(), s, result.NewException("m", "E"), result.Failure, call{})
	})
}

// FuzzResult: tuples are read and written the same, or are errors.
func FuzzResult(f *testing.F) {
	for _, s := range []string{`[["a", null], null]`, `[["G", [["p", null], null]], [[["a", null], null], "b"]]`, `"a"`, `[]`, `[[], []]`, `[["a", 3], null]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseResult(raw)
		if err != nil || !utf8.Valid(raw) {
			return
		}
		text := r.append(nil)
		again, err := ParseResult(text)
		if err != nil || !bytes.Equal(again.append(nil), text) {
			t.Fatalf("%s was read as %s, %v", text, again.append(nil), err)
		}
	})
}

// TestJoin: results come in order and structure, the first failure is told, and an end of the context ends the wait.
func TestJoin(t *testing.T) {
	w := newWorld()
	ctx := context.Background()
	for id, v := range map[string]string{"a": "1", "b": `"x"`, "c": "null"} {
		_ = w.results.Store(ctx, result.Record{TaskID: id, State: result.Success, Value: []byte(v)})
	}
	_ = w.results.Store(ctx, result.Record{TaskID: "f", State: result.Failure, Exception: result.NewException("builtins", "ValueError", "x")})
	r, err := ParseResult([]byte(`[["G", null], [[["a", null], null], [["inner", null], ["b", "c"]]]]`))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := r.Join(ctx, w.results); err != nil || string(v) != `[1, ["x", null]]` {
		t.Errorf("%s, %v", v, err)
	}
	if err := r.Save(ctx, w.results); err != nil || string(w.results.groups["G"]) != string(r.append(nil)) {
		t.Errorf("saved %s, %v", w.results.groups["G"], err)
	}
	if err := (Result{ID: "a"}).Save(ctx, w.results); err == nil {
		t.Error("a task was saved as a group")
	}
	var failed *TaskError
	var x *result.Exception
	if _, err := Results(ctx, w.results, "a", "f", "b"); !errors.As(err, &failed) || failed.ID != "f" || !errors.As(err, &x) || x.Type != "ValueError" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := Results(ctx, waiting{w.results}, "never"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// waiting is a backend in which nothing ever ends.
type waiting struct{ result.Backend }

func (waiting) Wait(ctx context.Context, _ string) (result.Record, error) {
	<-ctx.Done()
	return result.Record{}, ctx.Err()
}

// TestBuiltins: the tasks that every worker knows do what Celery's do.
func TestBuiltins(t *testing.T) {
	w := newWorld()
	w.tasks = digest
	run := func(name, args, kwargs string) (string, error) {
		m, err := message.New(name, "parent", nil, nil, message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m.Body = []byte("[" + args + ", " + kwargs + ", null]")
		task, _ := message.Read(m)
		body, err := task.Body()
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.call(context.Background(), &task, body)
		raw, _ := json.Marshal(v)
		return string(raw), err
	}
	call := func(args ...json.RawMessage) string {
		v, _ := digest("t", args)
		raw, _ := json.Marshal(v)
		return string(raw)
	}
	one, two := json.RawMessage("1"), json.RawMessage("2")
	for _, c := range []struct{ name, args, kwargs, want string }{
		{taskAccumulate, `[[1, 2]]`, `{"index": 0}`, `[1,2]`},
		{taskAccumulate, `[1, 2]`, `{"index": -1}`, `2`},
		{taskAccumulate, `[1, 2]`, `{}`, `[1,2]`},
		{taskMap, `[]`, `{"task": {"task": "t", "args": [9]}, "it": [1, 2]}`, "[" + call(one) + "," + call(two) + "]"},
		{taskStarMap, `[{"task": "t"}, [[1, 2], []]]`, `{}`, "[" + call(one, two) + "," + call() + "]"},
		{taskCleanup, `[]`, `{}`, `null`},
		{taskGroup, `[]`, `{"tasks": [{"task": "t", "options": {"task_id": "m"}}], "group_id": "G", "partial_args": [1], "result": null}`, `[["G",null],[[["m",null],null]]]`},
	} {
		if got, err := run(c.name, c.args, c.kwargs); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	if m := w.sent[0]; m.CorrelationID != "m" || m.Headers["group"] != "G" || m.Headers["parent_id"] != "parent" || !strings.HasPrefix(string(m.Body), "[[1],") {
		t.Errorf("sent %+v", m)
	}
	for _, c := range []struct{ name, args, kwargs string }{
		{taskAccumulate, `[1]`, `{"index": 1}`}, {taskMap, `[]`, `{}`}, {taskMap, `[{"task": "t"}, 3]`, `{}`}, {taskStarMap, `[{"task": "t"}, [3]]`, `{}`},
		{taskUnlock, `[]`, `{}`}, {taskUnlock, `["G", {"task": "t"}]`, `{"result": [3]}`}, {taskChunks, `[]`, `{"n": 0}`}, {taskChord, `[]`, `{"header": []}`}, {taskChain, `[]`, `{}`},
	} {
		if got, err := run(c.name, c.args, c.kwargs); err == nil {
			t.Errorf("%s%s%s: %s", c.name, c.args, c.kwargs, got)
		}
	}
	_, err := run(taskUnlock, `["G", {"task": "t"}]`, `{"result": [[["nobody", null], null]], "interval": 2.5, "max_retries": 4}`)
	var again *RetryError
	if !errors.As(err, &again) || again.After != 2500*time.Millisecond || again.Max != 4 {
		t.Errorf("an unlock of what is not done: %v", err)
	}
}

func TestRepr(t *testing.T) {
	for raw, want := range map[string]string{
		`"a"`: `'a'`, `"it's"`: `"it's"`, `"it's \"x\""`: `'it\'s "x"'`, `"a\nb\\"`: `'a\nb\\'`, `null`: `None`, `[true, 1, {"k": false}]`: `[True, 1, {'k': False}]`, `1.5`: `1.5`,
	} {
		if got := reprJSON([]byte(raw)); got != want {
			t.Errorf("%s is %s, want %s", raw, got, want)
		}
	}
}
