package worker

import (
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"testing"
)

// A logbook keeps what a worker logs, for tests that look at it.
type logbook struct {
	mu      sync.Mutex
	records []map[string]any
}

// newLogbook returns one and the log that is kept in it, which is shown with the test that fails as well.
func newLogbook(t testing.TB) (*logbook, *slog.Logger) {
	b := &logbook{}
	return b, slog.New(slog.NewJSONHandler(io.MultiWriter(t.Output(), b), nil))
}

// Write takes one record, as slog.JSONHandler writes it.
func (b *logbook) Write(line []byte) (int, error) {
	var r map[string]any
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return len(line), nil
}

// of are the records with that message.
func (b *logbook) of(msg string) (found []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r[slog.MessageKey] == msg {
			found = append(found, r)
		}
	}
	return found
}
