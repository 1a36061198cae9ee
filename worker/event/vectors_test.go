package event

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"taskbench/brokers"
)

// A capture is one message of a real Celery worker or client.
type capture struct {
	Channel  string
	Event    map[string]any
	Envelope struct {
		Body            string
		ContentType     string `json:"content-type"`
		ContentEncoding string `json:"content-encoding"`
		Headers         map[string]any
	} `json:"envelope_sample"`
}

func captures(t testing.TB) map[string]map[string]capture {
	t.Helper()
	paths, err := filepath.Glob("testdata/event-types-*.json")
	if err != nil || len(paths) < 2 {
		t.Fatalf("captures: %v, %v", paths, err)
	}
	all := map[string]map[string]capture{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Types map[string]capture }
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Types) < 10 {
			t.Fatalf("%s has %d types", path, len(file.Types))
		}
		all[path] = file.Types
	}
	return all
}

// captured are Celery 5.2's events by type.
func captured(t testing.TB) map[string]map[string]any {
	t.Helper()
	events := map[string]map[string]any{}
	for kind, c := range captures(t)["testdata/event-types-redis-52.json"] {
		events[kind] = c.Event
	}
	return events
}

func (c capture) message(t testing.TB) brokers.Message {
	t.Helper()
	body, err := base64.StdEncoding.DecodeString(c.Envelope.Body)
	if err != nil {
		t.Fatal(err)
	}
	return brokers.Message{Body: body, ContentType: c.Envelope.ContentType, ContentEncoding: c.Envelope.ContentEncoding, Headers: c.Envelope.Headers}
}
