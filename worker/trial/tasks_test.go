package trial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/worker"
	"taskbench/worker/message"
)

// registry holds the tasks of all trials, for parents and children alike. Those that note a line do so in the file
// that the keyword argument file names, by one write each.
func registry() *worker.Registry {
	r := &worker.Registry{}
	r.Add("noop", func(context.Context, *worker.Request) (any, error) { return nil, nil })
	r.Add("echo", func(ctx context.Context, r *worker.Request) (any, error) {
		var n int
		if err := r.Arg(0, &n); err != nil {
			return nil, err
		}
		return n, wait(ctx, time.Millisecond)
	})
	r.Add("tally", tally)
	r.Add("size", func(_ context.Context, r *worker.Request) (any, error) {
		n := 0
		for _, arg := range r.Args {
			n += len(arg)
		}
		return n, nil
	})
	r.Add("note", note)
	r.Add("again", func(ctx context.Context, r *worker.Request) (any, error) {
		if r.Retries == 0 {
			return nil, &worker.RetryError{After: time.Millisecond, Cause: errors.New("not yet")}
		}
		return note(ctx, r)
	})
	r.Add("parent", func(ctx context.Context, r *worker.Request) (any, error) {
		var file string
		if _, err := r.Kwarg("file", &file); err != nil {
			return nil, err
		}
		m, err := message.New("note", r.ID+"-child", []any{1}, map[string]any{"file": file}, message.Options{Queue: r.Queue, ParentID: r.ID})
		if err != nil {
			return nil, err
		}
		if err := r.Send(ctx, m); err != nil {
			return nil, &worker.RetryError{After: time.Millisecond, Max: -1, Cause: err}
		}
		return note(ctx, r)
	})
	r.Add("wait", func(ctx context.Context, r *worker.Request) (any, error) {
		var ms int
		if err := r.Arg(0, &ms); err != nil {
			return nil, err
		}
		return nil, wait(ctx, time.Duration(ms)*time.Millisecond)
	})
	r.Add("burn", func(context.Context, *worker.Request) (any, error) { // and heeds nothing
		signal.Ignore()
		for n := 0; ; n++ {
			sink = n
		}
	})
	r.Add("freeze", func(context.Context, *worker.Request) (any, error) { // with all of its process
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {}
	})
	r.Add("crash", func(context.Context, *worker.Request) (any, error) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
	r.Add("print", func(_ context.Context, r *worker.Request) (any, error) { // so many MiB, in lines of so many bytes
		var total, line int
		if err := errors.Join(r.Arg(0, &total), r.Arg(1, &line)); err != nil {
			return nil, err
		}
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for i := line; i <= len(chunk); i += line {
			chunk[i-1] = '\n'
		}
		for range total {
			if _, err := os.Stdout.Write(chunk); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return r
}

var sink int

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// note writes the task's id after so many milliseconds.
func note(ctx context.Context, r *worker.Request) (any, error) {
	var ms int
	if err := r.Arg(0, &ms); err != nil {
		return nil, err
	}
	if err := wait(ctx, time.Duration(ms)*time.Millisecond); err != nil {
		return nil, err
	}
	return ms, noteLine(r, r.ID)
}

// tally is a chord's body: it notes the number and the sum of its header's results.
func tally(_ context.Context, r *worker.Request) (any, error) {
	var parts []int
	if err := r.Arg(0, &parts); err != nil {
		return nil, err
	}
	sum := 0
	for _, n := range parts {
		sum += n
	}
	return sum, noteLine(r, fmt.Sprintf("%d of %d", sum, len(parts)))
}

func noteLine(r *worker.Request, line string) error {
	var path string
	if _, err := r.Kwarg("file", &path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was written
	_, err = f.WriteString(line + "\n")
	return err
}

// noted are the lines of a file that tasks note in; none where it is not there.
func noted(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' })
}
