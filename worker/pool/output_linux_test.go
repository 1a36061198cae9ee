package pool

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
)

// sendAfter is a Send that waits.
func sendAfter(let <-chan bool) func(brokers.Message) error {
	return func(brokers.Message) error { <-let; return nil }
}

func TestOutputIsLoggedWithItsTask(t *testing.T) {
	for _, kind := range []string{"prefork", "green"} {
		log := &record{}
		p := open(t, kind, Settings{Size: 1, Log: log.logger(), Capture: true})
		var want []string
		pid := strconv.Itoa(p.PIDs()[0])
		for range 20 {
			j := job(t, "print")
			if r := p.Run(t.Context(), j); r.Status != OK {
				t.Fatalf("%+v", r)
			}
			head := `msg="task output" module=task task=print id=` + j.Task.ID + ` pid=` + pid
			n := strconv.FormatUint(j.Attempt, 10)
			want = append(want, head+` line="one of `+n+`"`, head+` line=two`, head+` line="three and more"`)
		}
		var got []string
		for line := range strings.Lines(log.String()) {
			_, said, _ := strings.Cut(strings.TrimSpace(line), "level=INFO ")
			got = append(got, said)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: the log says\n%s\nwant\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A green child's output is not blamed on one of many.
func TestOutputOfMany(t *testing.T) {
	log := &record{}
	p := open(t, "green", Settings{Size: 2, Log: log.logger(), Capture: true})
	ended := begin(t, p, job(t, "nap 300"))
	p.Run(t.Context(), job(t, "print"))
	within(t, time.Minute, ended)
	if text := log.String(); !strings.Contains(text, "one_of_running=2") || strings.Contains(text, "task=") {
		t.Errorf("the log says %s", text)
	}
}

// The last words of a child are those of the task that it died over.
func TestOutputOfACrash(t *testing.T) {
	log := &record{}
	p := open(t, "prefork", Settings{Size: 1, Log: log.logger(), Capture: true})
	j := job(t, "spawn")
	ended := begin(t, p, j)
	until(t, "it printed", func() bool { return strings.Contains(log.String(), "sleeper") })
	p.Close()
	within(t, time.Minute, ended)
	if !strings.Contains(log.String(), "id="+j.Task.ID) {
		t.Errorf("the log says %s", log)
	}
}

func TestOutputUncaptured(t *testing.T) {
	log := &record{}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	old := os.Stderr
	os.Stderr = write
	p := open(t, "prefork", Settings{Size: 1, Log: log.logger()})
	os.Stderr = old
	p.Run(t.Context(), job(t, "print"))
	write.Close()
	buf := make([]byte, 100)
	n, _ := read.Read(buf)
	if !strings.HasPrefix(string(buf[:n]), "one of") || log.String() != "" {
		t.Errorf("standard error got %q, and the log %s", buf[:n], log)
	}
}

// counting is a log that counts what would be written.
type counting struct {
	slog.Handler
	lines, bytes, cut atomic.Int64
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *counting) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "line":
			c.lines.Add(1)
			c.bytes.Add(int64(len(a.Value.String())))
		case "cut":
			c.cut.Add(1)
		}
		return true
	})
	return nil
}

// A task that prints 1 GiB, in one line or in two thousand, takes no memory and holds nobody else up.
func TestFlood(t *testing.T) {
	for _, c := range []struct {
		task              string
		lines, bytes, cut int64
	}{
		{"flood", 1, maxLine, 1},
		// Each MiB ends a line with its first 999 bytes, and begins the next with the rest.
		{"flood lines", 1025, 999 + 1024*maxLine, 1024},
	} {
		t.Run(c.task, func(t *testing.T) {
			log := &counting{}
			p := open(t, "prefork", Settings{Size: 2, Log: slog.New(log), Capture: true})
			until(t, "both children are there", func() bool { return len(p.PIDs()) == 2 })
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			flood := begin(t, p, job(t, c.task))
			others := 0
			var slowest time.Duration
			for done := false; !done; {
				began := time.Now()
				if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
					t.Fatalf("%+v", r)
				}
				slowest = max(slowest, time.Since(began))
				others++
				select {
				case r := <-flood:
					if r.Status != OK {
						t.Errorf("%+v", r)
					}
					done = true
				default:
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if l, b, n := log.lines.Load(), log.bytes.Load(), log.cut.Load(); l != c.lines || b != c.bytes || n != c.cut {
				t.Errorf("%d lines of %d bytes were logged, %d of them cut; want %d, %d, %d", l, b, n, c.lines, c.bytes, c.cut)
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 32<<20 {
				t.Errorf("the parent grew by %d bytes", grown)
			}
			if others < 100 || slowest > 2*time.Second {
				t.Errorf("another child did %d jobs meanwhile, the slowest in %v", others, slowest)
			}
			t.Logf("%d jobs of others meanwhile, the slowest in %v", others, slowest)
		})
	}
}
