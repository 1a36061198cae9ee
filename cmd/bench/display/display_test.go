package display

import (
	"strings"
	"testing"
	"time"

	"taskbench/harness"
)

// A screen is as much of a terminal as the display uses: it fails the test on anything else.
type screen struct {
	t      *testing.T
	width  int
	rows   []string
	row    int
	writes int
}

func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	text := string(p)
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b[A"):
			s.row--
			if s.row < 0 {
				s.t.Fatal("the cursor left the screen at the top")
			}
			text = text[3:]
		case strings.HasPrefix(text, "\r\x1b[J"):
			s.rows = s.rows[:s.row]
			text = text[4:]
		case strings.HasPrefix(text, "\x1b"):
			s.t.Fatalf("unexpected escape in %q", text)
		default:
			row, rest, ended := strings.Cut(text, "\n")
			if !ended {
				s.t.Fatalf("a row without an end: %q", text)
			}
			text = rest
			row, cleared := strings.CutSuffix(row, "\x1b[K")
			if s.row < len(s.rows) && !cleared && len(row) < len(s.rows[s.row]) {
				s.t.Errorf("%q is written over %q, whose end stays", row, s.rows[s.row])
			}
			s.rows = append(s.rows[:s.row], append([]string{row}, s.rows[min(s.row+1, len(s.rows)):]...)...)
			s.row++
			if s.width > 0 && len([]rune(row)) >= s.width {
				s.t.Errorf("row of %d columns on a screen of %d: %q", len([]rune(row)), s.width, row)
			}
		}
	}
	return len(p), nil
}

var steady = harness.Progress{
	Cell: 2, Cells: 8, Name: "redis.memory.solo.io.1", Phase: "steady", Left: 100 * time.Second,
	Offered: 200.4, Completed: 9.87, Backlog: 3, Faults: []string{"kill broker"},
}

// What is said from elsewhere, as at an interrupt, stands above the block: the next drawing does not go over it.
func TestAside(t *testing.T) {
	s := &screen{t: t, width: 80}
	d := New(s, Options{Live: true})
	say := func(text string) {
		if n, err := d.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(text), err)
		}
	}
	say("before\n")
	d.Watch(steady)
	say("\ninterrupted\n")
	d.Watch(harness.Progress{Cell: 2, Cells: 8, Name: steady.Name, Phase: "drain"})
	if len(s.rows) != 4 || s.rows[0] != "before" || s.rows[1] != "interrupted" || !strings.Contains(s.rows[2], "drain") {
		t.Errorf("the screen shows\n%s", strings.Join(s.rows, "\n"))
	}
	d.Close()
	if len(s.rows) != 2 {
		t.Errorf("after Close the screen shows\n%s", strings.Join(s.rows, "\n"))
	}
}

func TestLive(t *testing.T) {
	now := time.Unix(0, 0)
	s := &screen{t: t, width: 80}
	d := New(s, Options{Live: true, Width: func() int { return 80 }, Now: func() time.Time { return now }})

	d.Watch(harness.Progress{Cell: 2, Cells: 8, Name: "redis.memory.solo.io.1", Phase: "provision"})
	d.Watch(steady)
	d.Watch(harness.Progress{Cell: 2, Cells: 8, Name: "redis.memory.solo.io.1", Note: "broker took its time"})
	want := []string{
		"[2/8] redis.memory.solo.io.1: broker took its time",
		"[2/8] redis.memory.solo.io.1  steady  1 min 40 s left",
		"      offered 200/s, completed 9.9/s, backlog 3, in force: kill broker",
	}
	if got := strings.Join(s.rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	before := s.writes
	d.Watch(steady)
	if s.writes != before {
		t.Error("redrawn within the same tenth of a second though nothing turned")
	}
	now = now.Add(redrawEvery)
	d.Watch(steady)
	if s.writes != before+1 {
		t.Errorf("%d writes for one drawing: a terminal may show half of it", s.writes-before)
	}

	d.Close()
	d.Close()
	if got := strings.Join(s.rows, "\n"); got != want[0] {
		t.Errorf("after Close the screen shows\n%s\nwant the note alone", got)
	}
}

func TestNarrow(t *testing.T) {
	s := &screen{t: t, width: 24}
	d := New(s, Options{Live: true, Width: func() int { return 24 }})
	d.Watch(steady)
	if len(s.rows) != 2 || !strings.HasSuffix(s.rows[0], "…") {
		t.Errorf("a narrow screen shows %q", s.rows)
	}
}

func TestPlain(t *testing.T) {
	now := time.Unix(0, 0)
	var b strings.Builder
	d := New(&b, Options{Now: func() time.Time { return now }})
	d.Watch(steady)
	for range 12 { // one line at once, and one each five seconds
		now = now.Add(time.Second)
		d.Watch(steady)
	}
	d.Watch(harness.Progress{Note: "removed a leftover"})
	d.Close()
	one := "[2/8] redis.memory.solo.io.1: steady, offered 200/s, completed 9.9/s, backlog 3, in force: kill broker; 1 min 40 s left\n"
	if want := strings.Repeat(one, 3) + "removed a leftover\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestQuietShowsNotes(t *testing.T) {
	var b strings.Builder
	d := New(&b, Options{Live: true, Quiet: true})
	d.Watch(steady)
	d.Watch(harness.Progress{Note: "heal failed"})
	d.Close()
	if b.String() != "heal failed\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestColor(t *testing.T) {
	for _, color := range []bool{false, true} {
		var b strings.Builder
		d := New(&b, Options{Live: true, Color: color})
		d.Watch(steady)
		if got := strings.Contains(b.String(), "\x1b[1m"); got != color {
			t.Errorf("color %v: bold is %v", color, got)
		}
	}
}

func TestRough(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 1499 * time.Millisecond: "1 s", 59600 * time.Millisecond: "1 min", 100 * time.Second: "1 min 40 s",
		125 * time.Minute: "2 h 5 min",
	} {
		if got := Rough(d); got != want {
			t.Errorf("Rough(%v) = %q, want %q", d, got, want)
		}
	}
}
