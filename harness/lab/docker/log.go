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

// A logFile gathers what a container prints over all its lives. The engine's record is asked for from a moment before the
// last that was written on, and what was written is left out. Likewise when the engine begins another file of its record: it
// then tells again what it has told. So there are no duplicates, and no gaps unless we lag behind by a whole file.
type logFile struct {
	file *os.File
	of   [3]mark // by the stream's number: each is in the order of its times, and both together need not be
}

// A mark is how far one stream has been written.
type mark struct {
	last  time.Time // the engine's time of the last piece written
	same  int       // how many pieces of that time have been written
	again bool      // the engine tells again what it has told
	told  int       // how many pieces of that time, meanwhile
}

// fresh tells whether a piece of that time has not been written yet, and takes note of it.
func (m *mark) fresh(at time.Time) bool {
	switch {
	case at.Before(m.last):
		return false
	case at.After(m.last):
		*m = mark{last: at, same: 1}
		return true
	case m.again:
		m.told++
		if m.told <= m.same {
			return false
		}
	}
	m.same++
	return true
}

// again expects what has been told.
func (f *logFile) again() {
	for i := range f.of {
		f.of[i].again, f.of[i].told = true, 0
	}
}

// since is from when on the engine is asked for its record; "" is all of it.
func (f *logFile) since() string {
	const overlap = 5 * time.Second // by far more than the streams' times can be out of order
	var last time.Time
	f.again()
	for _, m := range f.of {
		if m.last.After(last) {
			last = m.last
		}
	}
	if last.IsZero() {
		return ""
	}
	return last.Add(-overlap).Format(time.RFC3339Nano)
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
			ShowStdout: true, ShowStderr: true, Follow: true, Timestamps: true, Since: f.since(),
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
		stamp, text, _ := bytes.Cut(frame, []byte(" "))
		if at, err := time.Parse(time.RFC3339Nano, string(stamp)); err != nil {
			text = frame
		} else if m := &f.of[int(header[0])%len(f.of)]; !m.fresh(at) {
			if at.Before(m.last) && !m.again {
				f.again()
			}
			continue
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
