package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// maxLine is the most of one line of output that is logged; the rest of the line is dropped, and that said.
const maxLine = 64 << 10

// gulp is how much is read of a child's output at a time.
const gulp = 64 << 10

// outputPipe is what a pipe for output holds: a child has several.
const outputPipe = 16 << 10

// output is what a child prints, on its way to the log. A child that prints faster than that goes waits for it; no
// other child does.
type output struct {
	log  *slog.Logger
	pid  int
	file *os.File // the end to read of the pipe
	fd   int      // its own, as long as it is not closed
	solo bool     // of one job at a time

	mu     sync.Mutex
	closed bool
	jobs   []printer // that run now
	line   []byte    // unfinished
	cut    bool      // there was more of it
	buf    []byte    // nil until there is output
}

// A printer is a job that runs.
type printer struct{ task, id string }

// newOutput makes the pipe; write is the child's end.
func newOutput(log *slog.Logger) (o *output, write *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil { // blocking at the child's end, as any program expects
		return nil, nil, fmt.Errorf("make a pipe for its output: %w", err)
	}
	_, _ = unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, outputPipe)
	_ = unix.SetNonblock(ends[0], true)
	file := os.NewFile(uintptr(ends[0]), "pool child's output")
	return &output{log: log, file: file, fd: ends[0]}, os.NewFile(uintptr(ends[1]), "pool child's output"), nil
}

// follow logs output as it comes, until the pipe is closed at either end.
func (o *output) follow() {
	raw, err := o.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool {
		for {
			o.mu.Lock()
			n, more := o.read()
			o.mu.Unlock()
			if n == 0 {
				return !more
			}
		}
	})
}

// read takes one gulp; more is false at the end of the output. o.mu is held.
func (o *output) read() (n int, more bool) {
	if o.closed {
		return 0, false
	}
	if o.buf == nil {
		o.buf = make([]byte, gulp)
	}
	for {
		n, err := unix.Read(o.fd, o.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, true
		case err != nil || n <= 0:
			return 0, false
		}
		o.take(o.buf[:n])
		return n, true
	}
}

// take logs the lines in data, and keeps what is left for the next time.
func (o *output) take(data []byte) {
	for len(data) > 0 {
		part, rest, whole := bytes.Cut(data, []byte("\n"))
		if room := maxLine - len(o.line); len(part) > room {
			part, o.cut = part[:room], true
		}
		data = rest
		if whole && len(o.line) == 0 {
			o.print(part)
			continue
		}
		o.line = append(o.line, part...)
		if whole {
			o.flush()
		}
	}
}

// flush logs an unfinished line.
func (o *output) flush() {
	if len(o.line) > 0 || o.cut {
		o.print(o.line)
		o.line = o.line[:0]
	}
}

func (o *output) print(line []byte) {
	attrs := make([]slog.Attr, 0, 5)
	switch n := len(o.jobs); {
	case n == 1:
		attrs = append(attrs, slog.String("task", o.jobs[0].task), slog.String("id", o.jobs[0].id))
	case n > 1:
		attrs = append(attrs, slog.Int("one_of_running", n))
	}
	attrs = append(attrs, slog.Int("pid", o.pid), slog.String("line", string(bytes.TrimSuffix(line, []byte("\r")))))
	if o.cut {
		attrs = append(attrs, slog.Bool("cut", true))
		o.cut = false
	}
	o.log.LogAttrs(context.Background(), slog.LevelInfo, "task output", attrs...)
}

// begin says whose output comes now.
func (o *output) begin(j *Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.jobs) > 0 {
		o.drain() // it was the others'
	}
	if o.solo {
		o.jobs = o.jobs[:0] // one that was recalled may not have come to forget itself
	}
	o.jobs = append(o.jobs, printer{j.Task.Name, j.Task.ID})
}

// forget undoes begin for a job that was not begun after all.
func (o *output) forget(j *Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(j)
}

// end is called when a job has: what it printed is in the pipe.
func (o *output) end(j *Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drain()
	o.remove(j)
}

// remove is forget; o.mu is held.
func (o *output) remove(j *Job) {
	if i := slices.Index(o.jobs, printer{j.Task.Name, j.Task.ID}); i >= 0 {
		o.jobs = slices.Delete(o.jobs, i, i+1)
	}
}

// drain takes what the pipe holds, once; o.mu is held.
func (o *output) drain() {
	if !o.closed {
		o.read()
		o.flush()
	}
}

// close ends the following. What tasks have left running gets an error when it prints.
func (o *output) close() {
	o.mu.Lock()
	o.drain()
	o.closed = true
	o.mu.Unlock()
	o.file.Close()
}
