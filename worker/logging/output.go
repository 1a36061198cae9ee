package logging

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// Task returns the logger of one task's attempt. Its records are those of the module "task".
func Task(l *slog.Logger, name, id string) *slog.Logger {
	return For(l, "task").With("task", name, "id", id)
}

// MaxLine is how long a line of a task's output is written, in bytes; what is beyond is left out, and said so.
const MaxLine = 16 << 10

// An Output turns what a task prints into records, one for each line. It holds one line at most, however much is
// printed. It is safe for concurrent use.
type Output struct {
	log    *slog.Logger
	level  slog.Level
	stream string

	mu   sync.Mutex
	line []byte // begun and not ended
	over int    // bytes of it that were left out
}

// NewOutput returns the writer for one stream ("stdout", "stderr") of a task; l is as Task returns it. Lines are
// records of the level, which for Celery is warning.
func NewOutput(l *slog.Logger, level slog.Level, stream string) *Output {
	return &Output{log: l, level: level, stream: stream}
}

// Write never fails.
func (o *Output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(text)
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			o.add(text)
			break
		}
		o.add(text[:end])
		o.end()
		text = text[end+1:]
	}
	return n, nil
}

// Close writes the last line if it was not ended. The Output can be used on.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) > 0 {
		o.end()
	}
	return nil
}

func (o *Output) add(text []byte) {
	room := min(len(text), MaxLine-len(o.line))
	o.line = append(o.line, text[:room]...)
	o.over += len(text) - room
}

// end writes the line. Empty ones are left out: a task's print of "" says nothing.
func (o *Output) end() {
	line := bytes.TrimRight(o.line, "\r")
	if len(line) > 0 && o.log.Enabled(context.Background(), o.level) {
		attrs := []slog.Attr{slog.String("stream", o.stream)}
		if o.over > 0 {
			attrs = append(attrs, slog.Int("left_out_bytes", o.over))
		}
		o.log.LogAttrs(context.Background(), o.level, strings.ToValidUTF8(string(line), "\uFFFD"), attrs...)
	}
	o.line, o.over = o.line[:0], 0
}
