package reports

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"taskbench/harness"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for name, r := range fixtures() {
		data, err := encode(finite(r))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		// nil and empty lists may change places on the way; what JSON says of both results must be the same.
		a, _ := json.Marshal(r)
		b, _ := json.Marshal(got)
		if string(a) != string(b) {
			t.Errorf("%s was not read as it was written", name)
		}
	}
}

func TestReportsAreMadeAgainFromTheFileAlone(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	first, err := WriteAll(t.Context(), dir, fixtures()["broker-kill"])
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := WriteAll(t.Context(), again, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(second) || len(first) < 9 {
		t.Fatalf("%d files, then %d", len(first), len(second))
	}
	for i := range first {
		a, err := os.ReadFile(first[i])
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(second[i])
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) {
			t.Errorf("%s is not the same when it is made again", filepath.Base(first[i]))
		}
	}
}

func TestReadIsStrict(t *testing.T) {
	good := `{"schema":1,"name":"x","seed":1,"outcome":"pass","provenance":{},"cells":[]}`
	if _, err := Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ data, want string }{
		{"", "not a result"},
		{"{}", "no schema number"},
		{`{"schema":2,"new":{}}`, "use the taskbench that wrote it"},
		{`{"schema":-1}`, "no longer read"},
		{strings.Replace(good, `"seed"`, `"sede"`, 1), "sede"},
		{good + `{}`, "more behind"},
		{strings.Replace(good, `"pass"`, `"passed"`, 1), `"passed"`},
		{strings.Replace(good, `"x"`, `""`, 1), "name is empty"},
		{strings.Replace(good, `[]`, `[{"broker":"b","outcome":"pass","repeat":0,"counts":{"lost":3,"acknowledged":2,"attempted":1},"phases":[{"phase":"steady","from":2,"to":1}]}]`, 1),
			"2 tasks acknowledged of 1 attempted"},
	} {
		_, err := Decode([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want an error with %q", c.data, err, c.want)
		}
	}
	_, err := Decode([]byte(strings.Replace(good, `[]`, `[{"broker":"","outcome":"lost","repeat":0}]`, 1)))
	for _, want := range []string{"broker is empty", `"lost"`, "repeats count from 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not all mistakes are told at once: %v", err)
		}
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "name the directory of a run") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestNumbersThatJSONCannotCarry(t *testing.T) {
	r := fixtures()["one"]
	before := fixtures()["one"]
	r.Cells[0].Throughput.Drain = math.NaN()
	r.Cells[0].Latency = map[string]harness.Latency{endToEnd: {P99: math.Inf(1), Count: 1}}
	r.Cells[0].Expectations[0].Value = math.Inf(-1)
	dir := t.TempDir()
	if _, err := WriteAll(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) != 2 || !slices.ContainsFunc(got.Warnings, func(w string) bool {
		return strings.Contains(w, "Cells[0].Throughput.Drain was not a finite number")
	}) {
		t.Errorf("warnings: %q", got.Warnings)
	}
	if v := got.Cells[0].Expectations[0].Value; v != "-Inf" {
		t.Errorf("an expectation's value became %v", v)
	}
	if !math.IsNaN(r.Cells[0].Throughput.Drain) || len(r.Warnings) != 0 {
		t.Error("the caller's result was changed")
	}
	if clean := finite(before); !reflect.DeepEqual(clean, before) {
		t.Error("a result with finite numbers was changed")
	}
}

func TestWriteAllKeepsWhatItCan(t *testing.T) {
	dir := t.TempDir()
	// A directory where a file should be: that report fails, all others are written.
	if err := os.MkdirAll(filepath.Join(dir, "junit.xml", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	done, err := WriteAll(t.Context(), dir, fixtures()["steady"])
	if err == nil || !strings.Contains(err.Error(), "junit.xml") {
		t.Errorf("error: %v", err)
	}
	var names []string
	for _, p := range done {
		names = append(names, filepath.Base(p))
	}
	want := []string{"result.json", "bench.txt", "summary.md", "report.html", "throughput.png", "latency.png", "memory.png", "losses.png"}
	if !slices.Equal(names, want) {
		t.Errorf("wrote %v, want %v", names, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestWriteAllEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done, err := WriteAll(ctx, t.TempDir(), fixtures()["steady"])
	if !errors.Is(err, context.Canceled) || len(done) != 0 {
		t.Errorf("wrote %v, error %v", done, err)
	}
}

func TestAnInvalidResultIsStillReported(t *testing.T) {
	r := fixtures()["one"]
	r.Cells[0].Counts.Lost = r.Cells[0].Counts.Acknowledged + 1
	done, err := WriteAll(t.Context(), t.TempDir(), r)
	if err == nil || !strings.Contains(err.Error(), "not valid") || len(done) < 8 {
		t.Errorf("%d files, error %v", len(done), err)
	}
}
