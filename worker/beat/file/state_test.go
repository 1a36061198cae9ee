package file

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers/servertest"

	"taskbench/worker/beat"
)

func open(t *testing.T, path string, log *slog.Logger) *state {
	t.Helper()
	s, err := openState(path, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

func mark(i int) beat.Mark {
	return beat.Mark{Name: fmt.Sprint("e", i), Schedule: "every 1s", Last: time.Unix(int64(i), 5).UTC(), Runs: int64(i)}
}

// killed is what a process leaves that is killed: its flock ends, nothing else happens.
func killed(t *testing.T, s *state) {
	t.Helper()
	if err := s.hold.Close(); err != nil {
		t.Fatal(err)
	}
}

// Whatever was written is there after SIGKILL, and the latest of each entry counts.
func TestStateOutlivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	want := map[string]beat.Mark{}
	for life := range 3 {
		s := open(t, path, nil)
		if !maps.Equal(s.marks, want) {
			t.Fatalf("life %d begins with %v, want %v", life, s.marks, want)
		}
		for i := range 5 {
			m := mark(i)
			m.Runs += int64(life)
			m.Claim = m.Last.Add(time.Second)
			want[m.Name] = m
			if err := s.write([]beat.Mark{m}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.write([]beat.Mark{{Name: "e4"}}); err != nil { // forgotten
			t.Fatal(err)
		}
		delete(want, "e4")
		killed(t, s)
	}
}

func TestTornLineIsNoDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	text := encodeLog(map[string]beat.Mark{"e1": mark(1), "e2": mark(2)})
	for cut := range len(text) - len(header) - 1 {
		write(t, path, text[:len(text)-cut-1])
		s := open(t, path, nil)
		killed(t, s)
		if n := strings.Count(text[:len(text)-cut-1], "\n") - 1; len(s.marks) != n {
			t.Errorf("cut by %d: %d marks, want %d", cut+1, len(s.marks), n)
		}
	}
	if all, _ := filepath.Glob(path + ".damaged-*"); len(all) > 0 {
		t.Errorf("set aside: %q", all)
	}
}

func TestDamagedStateIsSetAside(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		marks int
	}{
		"rubbish": {"\x00\x01rubbish", 0},
		"empty":   {"", 0},
		"middle":  {header + "{\"name\":\"a\",\"runs\":1,\"last\":\"2024-01-01T00:00:00Z\"}\n\x00\x00\x00\n{\"name\":\"b\",\"last\":\"2024-01-01T00:00:00Z\"}\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state")
			write(t, path, c.text)
			var log strings.Builder
			s := open(t, path, slog.New(slog.NewTextHandler(&log, nil)))
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(aside) != 1 || !strings.Contains(log.String(), aside[0]) || len(s.marks) != c.marks {
				t.Fatalf("set aside %q, %d marks, log %s", aside, len(s.marks), log.String())
			}
			if text, err := os.ReadFile(aside[0]); err != nil || string(text) != c.text {
				t.Errorf("aside is %q, %v", text, err)
			}
			if err := s.write([]beat.Mark{mark(1)}); err != nil {
				t.Fatal(err)
			}
			killed(t, s)
			if again := open(t, path, nil); len(again.marks) != c.marks+1 {
				t.Errorf("%d marks afterwards, want %d", len(again.marks), c.marks+1)
			}
		})
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path, nil)
	if _, err := openState(path, nil); err == nil || !strings.Contains(err.Error(), "used by another beat") {
		t.Errorf("a second one: %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
}

// The log does not grow for ever, and nothing that is written while it is made short is lost.
func TestLogIsMadeShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path, nil)
	last := 0
	for i := range 20_000 {
		m := mark(i % 10)
		m.Runs = int64(i)
		if err := s.write([]beat.Mark{m}); err != nil {
			t.Fatal(err)
		}
		last = i
	}
	s.busy.Wait()
	killed(t, s)
	info, err := os.Stat(path)
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("the log is %d bytes long, %v", info.Size(), err)
	}
	again := open(t, path, nil)
	if len(again.marks) != 10 || again.marks[fmt.Sprint("e", last%10)].Runs != int64(last) {
		t.Errorf("read back %v", again.marks)
	}
	if rest, _ := filepath.Glob(path + ".new-*"); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// A full disk is an error each time, harms nothing that is there, and is over when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	servertest.Disk(t, dir, "64k")
	path := filepath.Join(dir, "state")
	fill := func() {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, "fill"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for size := 4096; size > 0; {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				size /= 2
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	room := func() {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path, nil)
	fill() // before there is a file
	if err := s.write([]beat.Mark{mark(1)}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%v, want that the disk is full", err)
	}
	room()
	if err := s.write([]beat.Mark{mark(1)}); err != nil {
		t.Fatal(err)
	}
	fill() // and while it grows
	failures := 0
	for i := 0; failures < 5 && i < 10_000; i++ {
		if err := s.write([]beat.Mark{mark(2)}); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			failures++
		}
	}
	if failures < 5 {
		t.Fatal("the disk was never full")
	}
	if data, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(data), "}\n") || decodeLog(string(data), map[string]beat.Mark{}) != nil {
		t.Errorf("the file is torn: %v", err)
	}
	room()
	if err := s.write([]beat.Mark{mark(3)}); err != nil {
		t.Fatal(err)
	}
	killed(t, s)
	again := open(t, path, nil)
	if got := slices.Sorted(maps.Keys(again.marks)); !slices.Equal(got, []string{"e1", "e2", "e3"}) {
		t.Errorf("afterwards there is %q", got)
	}
}
