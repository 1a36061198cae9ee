package file

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's time zone data

	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
)

const whole = `
timezone: Europe/Berlin
entries:
  clean-up:
    task: lab.clean_up
    schedule: 0 4 * * *
    args: [1, two, 2.5, [true, null]]
    kwargs: {deep: {er: 1}}
    queue: maintenance
    priority: 3
    expires: 30s
    soft_time_limit: 10s
    time_limit: 20s
    headers: {owner: ops}
    one_off: true
    start: 2030-01-01T00:00:00Z
    until: 2031-01-01T00:00:00Z
    catch_up: all
    catch_up_limit: 7
    deadline: 1h
    description: for people
  tokyo: {task: t, schedule: "*/5 * * * * Asia/Tokyo", enabled: false}
  often: {task: t, schedule: every 30s}
`

const wholeJSON = `{
	"timezone": "Europe/Berlin",
	"entries": {
		"clean-up": {
			"task": "lab.clean_up", "schedule": "0 4 * * *", "args": [1, "two", 2.5, [true, null]], "kwargs": {"deep": {"er": 1}},
			"queue": "maintenance", "priority": 3, "expires": "30s", "soft_time_limit": "10s", "time_limit": "20s",
			"headers": {"owner": "ops"}, "one_off": true, "start": "2030-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z",
			"catch_up": "all", "catch_up_limit": 7, "deadline": "1h", "description": "for people"
		},
		"tokyo": {"task": "t", "schedule": "*/5 * * * * Asia/Tokyo", "enabled": false},
		"often": {"task": "t", "schedule": "every 30s"}
	}
}`

func TestParse(t *testing.T) {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	for name, text := range map[string]string{"s.yaml": whole, "s.json": wholeJSON} {
		got, err := Parse(name, []byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		texts := make([]string, len(got))
		for i := range got {
			texts[i] = got[i].Schedule.String()
			got[i].Schedule = nil
		}
		if want := []string{"0 4 * * * Europe/Berlin", "*/5 * * * * Asia/Tokyo", "every 30s"}; !reflect.DeepEqual(texts, want) {
			t.Errorf("%s: schedules %q, want %q", name, texts, want)
		}
		want := []beat.Entry{
			{Name: "clean-up", Task: "lab.clean_up", Args: []any{uint64(1), "two", 2.5, []any{true, nil}},
				Kwargs: map[string]any{"deep": map[string]any{"er": uint64(1)}},
				Options: beat.Options{Queue: "maintenance", Priority: 3, Expires: 30 * time.Second, Soft: 10 * time.Second, Hard: 20 * time.Second,
					Headers: map[string]any{"owner": "ops"}},
				OneOff: true, Start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC),
				CatchUp: beat.CatchUp{Policy: schedule.All, Limit: 7, Deadline: time.Hour}},
			{Name: "tokyo", Task: "t", Disabled: true},
			{Name: "often", Task: "t"},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
	got, err := Parse("x.yaml", []byte("entries: {e: {task: t, schedule: 0 4 * * *}, u: {task: t, schedule: 0 4 * * * UTC}}"), berlin)
	if err != nil || got[0].Schedule.String() != "0 4 * * * Europe/Berlin" || got[1].Schedule.String() != "0 4 * * *" {
		t.Errorf("in the caller's time zone: %v, %v", got, err)
	}
}

// All mistakes are told at once, each with its line.
func TestMistakes(t *testing.T) {
	text := `timezone: Mars/Base
shedule: {}
entries:
  a:
    tsk: lab.a
    schedule: 0 25 * * *
  b:
    task: lab.b
    schedule: solar sunrise 1 2
    args: {x: 1}
    priority: 11
    expires: soon
  c:
    schedule: every 5s
  d: {task: t, schedule: every 5s, catch_up: twice, start: noon, enabled: perhaps}
  d: {task: t}
  e: {task: t, schedule: every 5s, args: [.nan]}
  f:
`
	want := []string{
		`s.yaml:1: timezone "Mars/Base"`, "s.yaml:2: there is no key shedule", "s.yaml:5: there is no key tsk: did you mean task?",
		"s.yaml:6: entry a: schedule: crontab 0 25", "s.yaml:9: entry b: schedule: read schedule \"solar sunrise 1 2\": solar schedules",
		"s.yaml:10: entry b: args: want a list", `s.yaml:11: entry b: priority: "11"`, `s.yaml:12: entry b: expires: "soon" is no duration`,
		"s.yaml:13: entry c: it names no task", "s.yaml:15: entry d: catch_up:", `s.yaml:15: entry d: start: "noon"`,
		"s.yaml:15: entry d: enabled: want true or false", "s.yaml:16: entries: the key d is there twice",
		"s.yaml:17: entry e: ", "s.yaml:18: entries: f has no value",
	}
	_, err := Parse("s.yaml", []byte(text), nil)
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	for i, p := range ps {
		if i >= len(want) || !strings.HasPrefix(p.String(), want[i]) {
			t.Errorf("mistake %d is %s, want one that begins with %q", i+1, p, want[min(i, len(want)-1)])
		}
	}
	if len(ps) != len(want) {
		t.Errorf("%d mistakes, want %d", len(ps), len(want))
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a.yaml": {"", "found 0"},
		"b.yaml": {"entries: {}\n---\nentries: {}\n", "found 2"},
		"c.yaml": {"a: [", "c.yaml:1: not YAML"},
		"d.json": {"{\n\"entries\": nope}", "d.json:2: not JSON"},
		"e.yaml": {"timezone: UTC", "the key entries is missing"},
		"f.yaml": {"- 1", "want a mapping"},
	} {
		if entries, err := Parse(name, []byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, entries, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole, false)
	f.Add(wholeJSON, true)
	f.Add("entries: {a: &x {task: t, schedule: every 1s}, b: *x}", false)
	f.Add("entries: {a: {<<: {task: t}, schedule: !!str every 1s}}", false)
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		name := "f.yaml"
		if isJSON {
			name = "f.json"
		}
		entries, err := Parse(name, []byte(text), nil)
		if err != nil && entries != nil {
			t.Fatal("entries and an error")
		}
		for _, e := range entries {
			if err := e.Validate(); err != nil {
				t.Fatalf("entry %q was accepted: %v", e.Name, err)
			}
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoadSeesChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	s, err := Open(path, path+".state", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Load(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	load := func(why string, n int, changed bool) {
		t.Helper()
		if got, c, err := s.Load(t.Context()); err != nil || len(got) != n || c != changed {
			t.Errorf("%s: %d entries, changed %v, %v", why, len(got), c, err)
		}
	}
	write(t, path, "entries: {a: {task: t, schedule: every 1s}}")
	load("first", 1, true)
	load("again", 0, false)
	write(t, path, "entries: {a: {task: t, schedule: every 1}}")
	if _, changed, err := s.Load(t.Context()); err == nil || changed {
		t.Errorf("a file with a mistake: changed %v, %v", changed, err)
	}
	write(t, path, "entries: {a: {task: t, schedule: every 1s}, bb: {task: t, schedule: every 1s}}")
	load("mended", 2, true)
}
