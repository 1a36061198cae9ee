package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"taskbench/brokers"
)

// frame is a piece as the engine sends it: of standard output or of standard error, printed so many seconds after an hour.
func frame(stream byte, second int, text string) []byte {
	piece := time.Unix(3600+int64(second), 0).UTC().Format(time.RFC3339Nano) + " " + text
	return append(binary.BigEndian.AppendUint32([]byte{stream, 0, 0, 0}, uint32(len(piece))), piece...)
}

// What the engine tells twice, after it was asked again or because it has begun another file, is written once; of two streams
// each has an order of its own.
func TestLogHasEachPieceOnce(t *testing.T) {
	const out, err = 1, 2
	file, failed := os.Create(filepath.Join(t.TempDir(), "log"))
	if failed != nil {
		t.Fatal(failed)
	}
	f := &logFile{file: file}
	for _, stream := range [][][]byte{
		{
			frame(out, 1, "a"), frame(out, 2, "b"), frame(err, 1, "c"), frame(out, 2, "d"), // two of one time, one late
			frame(out, 1, "a"), frame(out, 2, "b"), frame(err, 1, "c"), frame(out, 2, "d"), // another file: told again
			frame(out, 2, "e"), frame(err, 3, "f"), []byte("\x01\x00\x00\x00\x00\x00\x00\x04what"),
		},
		{frame(out, 2, "b"), frame(out, 2, "d"), frame(out, 2, "e"), frame(out, 2, "g"), frame(err, 3, "f"), frame(err, 3, "h"), frame(out, 9, "i")},
	} {
		f.since()
		if err := f.copy(bytes.NewReader(bytes.Join(stream, nil))); err != nil {
			t.Fatal(err)
		}
	}
	text, failed := os.ReadFile(file.Name())
	if want := "abcdefwhatghi"; failed != nil || string(text) != want {
		t.Errorf("written %q, want %q (%v)", text, want, failed)
	}
	if got, want := f.since(), time.Unix(3604, 0).UTC().Format(time.RFC3339Nano); got != want {
		t.Errorf("asked again from %s on, want %s", got, want)
	}
}

// What the engine keeps is bounded, and our copy has every line all the same, each of them once.
func TestLogOutlivesTheEnginesFiles(t *testing.T) {
	c := needEngine(t, "redis")
	d := redis()
	plain := d.Server.Command
	const lines = 75_000 // of a kilobyte: the engine begins its second file
	d.Server.Command = func(l brokers.Launch) brokers.Command {
		c := plain(l)
		print := fmt.Sprintf(`awk 'BEGIN { p = sprintf("%%1000s", ""); for (i = 1; i <= %d; i++) print "line", i, p }'`, lines)
		c.Args = []string{"sh", "-c", print + "; exec " + strings.Join(c.Args, " ")}
		return c
	}
	r := request(t, d)
	n, err := newLab(t, Options{}).Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	i, err := c.ContainerInspect(t.Context(), n.(*node).id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if kept := i.Container.HostConfig.LogConfig.Config; kept["max-size"] == "" || kept["max-file"] == "" {
		t.Errorf("the engine keeps %v", kept)
	}
	next := 1
	for end := time.Now().Add(time.Minute); next <= lines && time.Now().Before(end); {
		text, err := os.ReadFile(r.LogPath)
		if err != nil {
			t.Fatal(err)
		}
		next = 1
		for line := range strings.Lines(string(text)) {
			var at int
			if _, err := fmt.Sscanf(line, "line %d ", &at); err != nil || !strings.HasSuffix(line, "\n") {
				continue
			}
			if at != next {
				t.Fatalf("line %d comes after line %d", at, next-1)
			}
			next++
		}
	}
	if next != lines+1 {
		t.Errorf("%d lines of %d were kept", next-1, lines)
	}
}
