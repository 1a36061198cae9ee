package mongodb

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
)

// A capture is what Celery left in a database.
type capture struct {
	Messages []bson.D
	Routing  []bson.D
	Indexes  map[string][]string
}

func load(t *testing.T, version string) (c capture) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "transport-"+version+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Messages []json.RawMessage
		Routing  []json.RawMessage
		Indexes  map[string][]string
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	c.Indexes = raw.Indexes
	for _, part := range []struct {
		from []json.RawMessage
		to   *[]bson.D
	}{{raw.Messages, &c.Messages}, {raw.Routing, &c.Routing}} {
		for _, m := range part.from {
			var d bson.D
			if err := bson.UnmarshalExtJSON(m, false, &d); err != nil {
				t.Fatal(err)
			}
			*part.to = append(*part.to, d)
		}
	}
	if len(c.Messages) == 0 || len(c.Routing) == 0 {
		t.Fatalf("%s: %d messages and %d bindings", version, len(c.Messages), len(c.Routing))
	}
	return c
}

// What Celery publishes is read, and what we publish again of it has Celery's fields, of Celery's types.
func TestDocumentsAreKombus(t *testing.T) {
	for _, version := range []string{"52", "56"} {
		for _, theirs := range load(t, version).Messages {
			data, err := bson.Marshal(theirs)
			if err != nil {
				t.Fatal(err)
			}
			var d document
			if err := bson.Unmarshal(data, &d); err != nil {
				t.Fatal(err)
			}
			item := fetcher{}.unpack(d)
			m := item.Message
			if m.Queue != d.Queue || m.Headers["task"] == nil || m.CorrelationID != m.Headers["id"] || len(m.Body) == 0 || item.Redelivered {
				t.Errorf("%s: read as %+v", version, m)
			}
			again, err := new(fetching).pack(m)
			if err != nil {
				t.Fatal(err)
			}
			again.ID = d.ID
			if again.Priority != d.Priority {
				t.Errorf("%s: priority %d becomes %d, and Celery writes %d", version, m.Priority, again.Priority, d.Priority)
			}
			if got, want := shape(t, again), shape(t, theirs); !slices.Equal(got, want) {
				t.Errorf("%s: ours is %q, Celery's %q", version, got, want)
			}
		}
	}
}

// shape lists the fields of a document with their types, but for the width of a number.
func shape(t *testing.T, v any) (fields []string) {
	t.Helper()
	data, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	elements, err := bson.Raw(data).Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		fields = append(fields, e.Key()+" "+e.Value().Type.String())
	}
	return fields
}

func TestUrgencyIsMongoDBs(t *testing.T) {
	for priority, want := range map[uint8]int32{0: 9, 3: 6, 9: 0, 200: 0} {
		if got := urgency(brokers.Message{Priority: priority}); got != want {
			t.Errorf("priority %d: %d, want %d", priority, got, want)
		}
	}
}

// Consuming leaves the indexes and bindings that Celery leaves.
func testKombusBindings(t *testing.T, at string) {
	b := connect(t, at, "kombu")
	for _, version := range []string{"52", "56"} {
		theirs := load(t, version)
		if _, err := b.Consume(t.Context(), []string{"celery", "other"}, 1); err != nil {
			t.Fatal(err)
		}
		f := b.(*broker).layout.(*fetching)
		var bound []bson.D
		if err := all(t.Context(), f.routing, bson.D{}, &bound); err != nil {
			t.Fatal(err)
		}
		if len(bound) != len(theirs.Routing) {
			t.Errorf("%s: %d bindings, and Celery makes %d", version, len(bound), len(theirs.Routing))
		}
		for _, want := range theirs.Routing {
			if !slices.ContainsFunc(bound, func(got bson.D) bool { return fmt.Sprint(sorted(got)) == fmt.Sprint(sorted(want)) }) {
				t.Errorf("%s: %v is not among %v", version, want, bound)
			}
		}
		for name, want := range theirs.Indexes {
			specs, err := f.messages.Database().Collection(name).Indexes().ListSpecifications(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range specs {
				got = append(got, s.Name)
			}
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: %s has the indexes %q, Celery's are %q", version, name, got, want)
			}
		}
	}
}

// sorted is a document without its name.
func sorted(d bson.D) (fields []string) {
	for _, e := range d {
		if e.Key != "_id" {
			fields = append(fields, fmt.Sprint(e.Key, e.Value))
		}
	}
	slices.Sort(fields)
	return fields
}
