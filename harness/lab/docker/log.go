package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"
)

// A logFile gathers what a container prints over all its lives. The engine's record is asked for from the last
// moment that was written on, and what was written of that moment is left out: no gaps, no duplicates.
type logFile struct {
	file *os.File
	last []byte // the engine's time of the last piece written
	same int    // how many pieces of that time have been written
}

// follow copies until the container ends or ctx does. One call at a time.
func (f *logFile) follow(ctx context.Context, c *client.Client, id, path string, done chan<- struct{}) {
	defer close(done)
	if f.file == nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return
		}
		f.file = file
	}
	for ctx.Err() == nil {
		stream, err := c.ContainerLogs(ctx, id, client.ContainerLogsOptions{
			ShowStdout: true, ShowStderr: true, Follow: true, Timestamps: true, Since: string(f.last),
		})
		if err == nil {
			err = f.copy(stream)
			_ = stream.Close()
			if err == nil {
				return
			}
		}
		select { // the engine went away, perhaps for good
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// copy writes the stream to the file until its end. It is a sequence of frames: which output it is of, three
// zeros, the length, and then a time, a space and what was printed, a line or a part of a long one.
func (f *logFile) copy(stream io.Reader) error {
	since, skip := f.last, f.same
	r := bufio.NewReader(stream)
	var header [8]byte
	var frame []byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		frame = append(frame[:0], make([]byte, binary.BigEndian.Uint32(header[4:]))...)
		if _, err := io.ReadFull(r, frame); err != nil {
			return err
		}
		at, text, ok := bytes.Cut(frame, []byte(" "))
		if !ok {
			at, text = nil, frame
		}
		if skip > 0 && bytes.Equal(at, since) {
			skip--
			continue
		}
		if bytes.Equal(at, f.last) {
			f.same++
		} else {
			f.last, f.same = bytes.Clone(at), 1
		}
		if _, err := f.file.Write(text); err != nil {
			return nil // a full disk must not make the container's end wait
		}
	}
}

func (f *logFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
