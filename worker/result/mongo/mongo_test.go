package mongo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
	"taskbench/worker/result/resulttest"
)

// serve starts FerretDB, which this repository builds, in place of MongoDB.
func serve(t *testing.T) *servertest.Server {
	t.Helper()
	binary := servertest.FerretDB(t)
	dir := t.TempDir()
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	url := "mongodb://" + addr + "/results"
	return servertest.Start(t, url, func() *exec.Cmd { return exec.Command(binary, addr, dir) }, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		b, err := Open(ctx, url, result.Options{})
		if err != nil {
			return err
		}
		return b.Close()
	})
}

func TestContract(t *testing.T) {
	servertest.Needed(t)
	s := serve(t)
	resulttest.Run(t, resulttest.Subject{
		Kill: s.Kill, Up: s.Up,
		Absent: []string{"children"}, // FerretDB has no lists of lists, which MongoDB has
		Open:   func(ctx context.Context, o result.Options) (result.Backend, error) { return Open(ctx, s.URL, o) },
	})
}

// A document that the server will never take is told as such, so that nobody sends it for ever: FerretDB has no lists of lists.
func TestWhatIsNeverTaken(t *testing.T) {
	servertest.Needed(t)
	b, err := Open(t.Context(), serve(t).URL, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := result.Record{TaskID: "t", State: result.Success, Value: json.RawMessage("1"), Children: []json.RawMessage{json.RawMessage(`[["c",null],null]`)}}
	if err := b.Store(t.Context(), r); !errors.Is(err, result.ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
	r.Children = nil
	if err := b.Store(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// What Celery 5.2 and 5.6 left in the collections.
func TestReadsCelerysDocuments(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 9, 34, 235000000, time.UTC)
	for name, doc := range map[string]bson.M{
		"5.2": {"_id": "t", "status": "SUCCESS", "result": "15", "traceback": nil, "children": bson.A{}, "date_done": "2026-11-22T01:09:34.235000"},
		"5.6": {"_id": "t", "status": "SUCCESS", "result": "15", "traceback": nil, "children": bson.A{}, "date_done": bson.NewDateTimeFromTime(at), "group_id": "g"},
	} {
		r, err := decode("t", doc)
		if err != nil || r.TaskID != "t" || r.State != result.Success || string(r.Value) != "15" || !r.Done.Equal(at) || name == "5.6" && r.GroupID != "g" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	r, err := decode("t", bson.M{
		"status": "FAILURE", "result": `{"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"}`, "traceback": "tb",
		"children": bson.A{bson.A{bson.A{"c", nil}, nil}}, "strange": bson.NewObjectID(),
	})
	if err != nil || r.Exception.Error() != "ValueError: x" || r.Exception.Traceback != "tb" || len(r.Children) != 1 || string(r.Children[0]) != `[["c",null],null]` {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := decode("t", bson.M{"status": "SUCCESS", "result": 15}); err == nil {
		t.Error("a result that is no text was read")
	}
	tuple, err := groupTuple("g", []byte(`["a", "b"]`))
	if err != nil || string(tuple) != `[["g",null],[[["a",null],null],[["b",null],null]]]` {
		t.Errorf("%s, %v", tuple, err)
	}
}

// Celery reads the result as text and all else as it is.
func TestWritesCelerysDocuments(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 9, 34, 235000000, time.UTC)
	doc, err := encode(result.Record{TaskID: "t", State: result.Success, Value: []byte("15"), Done: at, GroupID: "g"})
	want := bson.M{"_id": "t", "status": "SUCCESS", "result": "15", "traceback": nil, "children": []any{}, "date_done": at, "group_id": "g"}
	if err != nil || !reflect.DeepEqual(doc, want) {
		t.Errorf("%v, %v; want %v", doc, err, want)
	}
}

func TestURL(t *testing.T) {
	for _, bad := range []string{"redis://u:secret@h", "mongodb://u:sec@ret@h/%zz", "mongodb://u:secret@h/?authMechanism=none", "mongodb://"} {
		if b, err := Open(t.Context(), bad, result.Options{}); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v, %v", bad, b, err)
		}
	}
}
