package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// captured are the documents that real Celery stored, by file and key.
func captured(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*-5?.json")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Started string                            `json:"STARTED"`
			Success string                            `json:"SUCCESS_extended"`
			Keys    map[string]struct{ Value string } `json:"result_db"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if file.Started != "" {
			docs[name+" started"], docs[name+" success"] = file.Started, file.Success
		}
		for key, k := range file.Keys {
			if strings.HasPrefix(key, "celery-task-meta-") {
				docs[name+" "+key] = k.Value
			}
		}
	}
	if len(docs) < 12 {
		t.Fatalf("only %d documents in %q", len(docs), files)
	}
	return docs
}

var naive = regexp.MustCompile(`("date_done": "[0-9T:.-]{19,26})"`)

// What Celery stored comes back byte for byte, but for the offset that 5.2 leaves out.
func TestCelerysDocuments(t *testing.T) {
	for name, doc := range captured(t) {
		r, err := Decode([]byte(doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.TaskID == "" || r.State.Ready() == r.Done.IsZero() || (r.State == Failure) != (r.Exception != nil && r.State != Revoked && r.State != Retry) {
			t.Errorf("%s: %+v", name, r)
		}
		again, err := Encode(r)
		want := naive.ReplaceAllString(doc, `$1+00:00"`)
		want = strings.Replace(want, `"children": null`, `"children": []`, 1)
		if err != nil || string(again) != want {
			t.Errorf("%s:\n%s\nwant\n%s\n(%v)", name, again, want, err)
		}
	}
}

func TestDecodeTolerates(t *testing.T) {
	text, err := os.ReadFile("testdata/redis-result-tolerance.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases map[string]struct {
			Meta json.RawMessage
			Out  string
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 20 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for name, c := range file.Cases {
		r, err := Decode(c.Meta)
		switch {
		case strings.HasPrefix(name, "no_task_id/"):
			if err == nil {
				t.Errorf("%s: read as %+v", name, r)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case strings.HasPrefix(name, "fail_"):
			if r.Exception == nil || len(r.Exception.Args) != 1 || !strings.HasSuffix(r.Exception.Error(), "boom") {
				t.Errorf("%s: %+v", name, r.Exception)
			}
		default:
			if string(r.Value) != "5" {
				t.Errorf("%s: value %s", name, r.Value)
			}
		}
	}
	odd := `{"task_id": "t", "status": "SUCCESS", "result": NaN, "children": 7, "date_done": {"__type__": "datetime", "__value__": "2026-11-22T00:54:19.131397"}, "retries": null, "name": null, "stamped_headers": ["a"], "a": 1}`
	r, err := Decode([]byte(odd))
	if err != nil || string(r.Value) != "NaN" || len(r.Children) > 0 || r.Done.Nanosecond() != 131397000 || r.Extended == nil {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "[]", "{", `{"task_id": "t"}`, `{"status": "SUCCESS"}`, `{"task_id": "t", "status": "SUCCESS", "date_done": "yesterday"}`, `{"task_id": "t", "status": "SUCCESS", "date_done": 7}`} {
		if r, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, r)
		}
	}
}

func TestDateDone(t *testing.T) {
	for done, want := range map[time.Time]string{
		time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC):                              "2026-11-22T01:02:03+00:00",
		time.Date(2026, 11, 22, 1, 2, 3, 120_000_789, time.UTC):                    "2026-11-22T01:02:03.120000+00:00",
		time.Date(2026, 11, 22, 1, 2, 3, 999, time.FixedZone("east", 3600)):        "2026-11-22T00:02:03+00:00",
		time.Date(2026, 11, 22, 1, 2, 3, 999_999_999, time.FixedZone("x", -34200)): "2026-11-22T10:32:03.999999+00:00",
	} {
		doc, err := Encode(Record{TaskID: "t", State: Success, Done: done})
		if err != nil || !bytes.Contains(doc, []byte(`"date_done": "`+want+`"`)) {
			t.Errorf("%v: %s, %v", done, doc, err)
		}
	}
}

func TestEncodeRefusesWhatIsNoJSON(t *testing.T) {
	bad := json.RawMessage(`{"a":`)
	for name, r := range map[string]Record{
		"value":    {TaskID: "t", State: Success, Value: bad},
		"argument": {TaskID: "t", State: Failure, Exception: &Exception{Type: "E", Args: []json.RawMessage{bad}}},
		"child":    {TaskID: "t", State: Success, Children: []json.RawMessage{bad}},
		"args":     {TaskID: "t", State: Success, Extended: &Extended{Args: bad}},
		"kwargs":   {TaskID: "t", State: Success, Extended: &Extended{Kwargs: bad}},
	} {
		if doc, err := Encode(r); err == nil {
			t.Errorf("%s: %s", name, doc)
		}
	}
	if doc, err := Encode(Record{TaskID: "t", State: Failure}); err != nil || !bytes.Contains(doc, []byte(`"exc_type": "Exception"`)) {
		t.Errorf("a failure without a reason: %s, %v", doc, err)
	}
}

func TestException(t *testing.T) {
	for want, x := range map[string]*Exception{
		"ValueError":               {Type: "ValueError", Module: Builtins},
		"ValueError: bööm":         NewException(Builtins, "ValueError", "bööm"),
		`app.Custom: (42, "why")`:  NewException("app", "Custom", 42, "why"),
		"E: 7":                     NewException("", "E", 7),
		"celery.exceptions.Ignore": NewException("celery.exceptions", "Ignore"),
	} {
		if x.Error() != want {
			t.Errorf("%q, want %q", x.Error(), want)
		}
		back, err := ParseException(x.Encode())
		if err != nil || back.Error() != x.Error() || back.Module != x.Module {
			t.Errorf("%s came back as %s, %v", x.Encode(), back, err)
		}
	}
	if x := NewException(Builtins, "E", func() {}); len(x.Args) != 1 || x.Args[0][0] != '"' {
		t.Errorf("an argument that JSON cannot hold: %s", x.Args)
	}
	if _, err := ParseException([]byte("{")); err == nil {
		t.Error("half an exception was read")
	}
}

func TestFromError(t *testing.T) {
	if FromError(nil) != nil {
		t.Error("nil became an exception")
	}
	own := NewException("app", "Custom", 1)
	if got := FromError(fmt.Errorf("around: %w", own)); got != own {
		t.Errorf("%v, want the exception in the chain", got)
	}
	want := &Exception{Type: "Exception", Module: Builtins, Args: []json.RawMessage{[]byte(`"plain"`)}}
	if got := FromError(errors.New("plain")); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestKeys(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "app": "app_", "app:": "app:", "a.": "a.", "a-": "a-", "a_": "a_"} {
		k := NewKeys(prefix)
		if k.Task("t") != want+"celery-task-meta-t" || k.Group("g") != want+"celery-taskset-meta-g" {
			t.Errorf("%q: %s, %s", prefix, k.Task("t"), k.Group("g"))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range captured(f) {
		f.Add([]byte(doc))
	}
	f.Add([]byte(`{"task_id": "t", "status": "FAILURE", "result": "boom", "children": [[["a", null], null]]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := Decode(doc)
		if err != nil {
			return
		}
		again, err := Encode(r)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", doc, err)
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("%q was written as %q, which cannot be read: %v", doc, again, err)
		}
		if back.TaskID != r.TaskID || back.State != r.State || !bytes.Equal(back.Value, r.Value) {
			t.Fatalf("%+v became %+v", r, back)
		}
	})
}
