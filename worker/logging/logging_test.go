package logging

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
)

func TestParseLevels(t *testing.T) {
	l, err := ParseLevels(" warn , pool=DEBUG,beat = error")
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]slog.Level{
		"": slog.LevelWarn, "worker": slog.LevelWarn, "pool": slog.LevelDebug, "pool.prefork": slog.LevelDebug,
		"pool.prefork.child": slog.LevelDebug, "poolside": slog.LevelWarn, "beat": slog.LevelError, ".": slog.LevelWarn,
	} {
		if got := l.Of(module); got != want {
			t.Errorf("%s: %v, want %v", module, got, want)
		}
	}
	if l, err := ParseLevels("debug"); err != nil || l.Of("any") != slog.LevelDebug {
		t.Errorf("a lone level: %v, %v", l, err)
	}
}

func TestParseLevelsReportsAllMistakes(t *testing.T) {
	_, err := ParseLevels("loud,info,warn,pool=,=debug,beat=warn,beat=info,")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"loud" is not one of debug, info, warn, error`,
		`two levels without a module; the second is "warn"`,
		`"" is not one of debug, info, warn, error, in "pool="`,
		`"=debug" names no module`,
		`module beat has two levels`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d mistakes, want 6:\n%v", n, err)
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "text, json") {
		t.Errorf("format: %v", err)
	}
}

func TestLevelPerModule(t *testing.T) {
	var out strings.Builder
	levels, err := ParseLevels("warn,pool=debug")
	if err != nil {
		t.Fatal(err)
	}
	l := New(&out, Text, levels)
	l.Info("a")
	l.Warn("b")
	For(l, "pool").Debug("c")
	For(l, "pool.prefork").With("pid", 7).Debug("d")
	For(l, "beat").Info("e")
	For(For(l, "pool"), "beat").Info("f")           // the last one counts
	l.WithGroup("g").With(Module, "pool").Info("h") // an attribute of a group is no module
	For(l, "pool").WithGroup("g").Debug("i")
	var got []string
	for line := range strings.Lines(out.String()) {
		_, msg, _ := strings.Cut(line, "msg=")
		got = append(got, msg[:1])
	}
	if s := strings.Join(got, ""); s != "bcdi" {
		t.Errorf("written: %s, want bcdi", s)
	}
}

func TestHandlerKeepsSlogsRules(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return New(&out, JSON, Levels{}).Handler()
	}, func(t *testing.T) map[string]any {
		var record map[string]any
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		return record
	})
}

func TestOutputOfTasks(t *testing.T) {
	var out bytes.Buffer
	o := NewOutput(Task(New(&out, JSON, Levels{}), "lab.print", "42"), slog.LevelWarn, "stdout")
	for _, text := range []string{"one\ntwo", " and more\r\n\n\n", "\xff\n", strings.Repeat("x", MaxLine), "yyy\n", "last"} {
		if n, err := io.WriteString(o, text); n != len(text) || err != nil {
			t.Error(n, err)
		}
	}
	_ = o.Close()
	_ = o.Close()
	type record struct {
		Level, Msg, Module, Task, ID, Stream string
		LeftOut                              int `json:"left_out_bytes"`
	}
	var got []record
	for dec := json.NewDecoder(&out); dec.More(); {
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []record{{Msg: "one"}, {Msg: "two and more"}, {Msg: "\uFFFD"}, {Msg: strings.Repeat("x", MaxLine), LeftOut: 3}, {Msg: "last"}}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, w := range want {
		w.Level, w.Module, w.Task, w.ID, w.Stream = "WARN", "task", "lab.print", "42", "stdout"
		if got[i] != w {
			t.Errorf("record %d: got %+.200v, want %+.200v", i, got[i], w)
		}
	}
}

// A task that prints without end must not take the worker's memory.
func TestOutputHoldsOneLine(t *testing.T) {
	o := NewOutput(Task(slog.New(slog.DiscardHandler), "t", "1"), slog.LevelWarn, "stdout")
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range 1024 {
		_, _ = o.Write(block)
	}
	if cap(o.line) > 2*MaxLine {
		t.Errorf("%d bytes are held", cap(o.line))
	}
	if o.over != 1<<30-MaxLine {
		t.Errorf("%d bytes left out", o.over)
	}
}
