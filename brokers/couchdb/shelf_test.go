package couchdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// taken are the last letters of what a shelf gives, in its order.
func taken(s *shelf) string {
	var b strings.Builder
	for len(s.ready) > 0 {
		e := s.take()
		b.WriteByte(e.id[len(e.id)-1])
	}
	return b.String()
}

func read1(id string, generation int) row {
	return row{id: "q/q/" + id, rev: fmt.Sprintf("%d-x", generation)}
}

func whole() *shelf {
	s := newShelf("q/q/")
	s.learn(0, nil, true, time.Now())
	s.learn(1, nil, true, time.Now())
	return s
}

func TestShelfOrder(t *testing.T) {
	s := whole()
	for _, id := range []string{"9/b", "9/a", "0/z", "5/m"} {
		s.note(read1(id, 1), time.Now())
	}
	s.note(read1("9/h", 2), time.Now())
	s.note(row{id: "q/q/9/b", rev: "2-x", deleted: true}, time.Now())
	if got := taken(s); got != "zma" {
		t.Errorf("they come as %q", got)
	}
	if len(s.held) != 1 {
		t.Errorf("%d are held, want one", len(s.held))
	}
}

// Beyond what was read nothing is known, whatever the feed says, until that is read.
func TestShelfHorizon(t *testing.T) {
	s := newShelf("q/q/")
	s.note(read1("9/a", 1), time.Now())
	if lane, after, end, short := s.short(); !short || lane != 0 || after != "q/q/" || end != "q/q/d/" {
		t.Fatalf("at first it wants lane %d from %s to %s, %v", lane, after, end, short)
	}
	s.learn(0, []row{read1("9/a", 1), read1("9/c", 1)}, false, time.Now())
	s.note(read1("9/d", 1), time.Now()) // beyond
	s.note(read1("9/b", 1), time.Now())
	s.note(read1("0/u", 1), time.Now())
	if _, after, _, _ := s.short(); after != "q/q/9/c" {
		t.Errorf("it reads on after %s", after)
	}
	s.learn(0, []row{read1("9/d", 1)}, true, time.Now())
	if lane, after, end, short := s.short(); !short || lane != 1 || after != "q/q/d/" || end != "q/q/e" {
		t.Errorf("then it wants lane %d from %s to %s, %v", lane, after, end, short)
	}
	s.learn(1, nil, true, time.Now())
	if _, _, _, short := s.short(); short {
		t.Error("all is known, and it wants more")
	}
	if got := taken(s); got != "uabcd" {
		t.Errorf("they come as %q", got)
	}
}

func TestShelfRipens(t *testing.T) {
	s := whole()
	for i, due := range []time.Duration{3, 1, 2} {
		id := delayed + micros(time.Unix(0, 0).Add(due*time.Second).UnixMicro()) + "x/9"
		s.note(read1(id, 1), time.Now())
		if len(s.later) != i+1 || len(s.ready) != 0 {
			t.Fatalf("%d are ready before their time", len(s.ready))
		}
	}
	s.ripen(time.Unix(2, 0).UnixMicro())
	if len(s.ready) != 2 || s.ready[0].due != 1_000_000 || len(s.later) != 1 {
		t.Errorf("%d are ready and %d are not", len(s.ready), len(s.later))
	}
}

// What is heard of a message while we try to claim it decides what it is when we have lost.
func TestShelfRelease(t *testing.T) {
	for name, c := range map[string]struct {
		heard []row
		want  string
	}{
		"nothing":    {nil, "stale"},
		"claimed":    {[]row{read1("9/a", 2)}, "held"},
		"given back": {[]row{read1("9/a", 2), read1("9/a", 3)}, "waits"},
		"settled":    {[]row{read1("9/a", 2), {id: "q/q/9/a", rev: "3-x", deleted: true}}, "gone"},
		"old news":   {[]row{read1("9/a", 1)}, "stale"},
	} {
		s := whole()
		s.note(read1("9/a", 1), time.Now())
		e := s.take()
		for _, r := range c.heard {
			s.note(r, time.Now())
		}
		s.release(e, time.Now())
		got := "stale"
		switch {
		case s.all[e.id] == nil:
			got = "gone"
		case len(s.held) == 1:
			got = "held"
		case slices.Contains(s.ready, e):
			got = "waits"
		}
		if got != c.want {
			t.Errorf("%s: it is %s, want %s", name, got, c.want)
		}
		if s.note(read1("9/a", 4), time.Now()); c.want == "stale" && len(s.held) != 1 {
			t.Errorf("%s: what is heard later is not believed", name)
		}
	}
}

// What is found in the hands of another may have come back before that is written down, and the feed says so only once.
func TestIndexLeave(t *testing.T) {
	id := read1("9/a", 0).id
	for name, c := range map[string]struct {
		heard []row
		want  state
	}{
		"nothing":            {nil, held},
		"it is held":         {[]row{read1("9/a", 2)}, held},
		"it was given back":  {[]row{read1("9/a", 3)}, waiting},
		"it is held by else": {[]row{read1("9/a", 4)}, held},
	} {
		x := newIndex(newClock(time.Now), func() {})
		x.open([]string{"q/q/"})
		x.shelves["q/q/"] = whole()
		x.note(read1("9/a", 1))
		if picked, _ := x.pick([]string{"q/q/"}, 1); len(picked) != 1 {
			t.Fatalf("%s: picked %d", name, len(picked))
		}
		x.note(c.heard...)
		x.leave(id, "2-x", "other")
		if got := x.shelves["q/q/"].all[id].state; got != c.want {
			t.Errorf("heard that %s: its state is %d, want %d", name, got, c.want)
		}
		x.note(row{id: id, rev: "9-x", deleted: true})
		if s := x.shelves["q/q/"]; len(s.all)+len(s.held)+len(s.ready) != 0 {
			t.Errorf("heard that %s: when it is deleted it is still known", name)
		}
	}
	x := newIndex(newClock(time.Now), func() {})
	x.shelves["q/q/"] = whole()
	x.note(read1("9/a", 1))
	x.pick([]string{"q/q/"}, 1)
	x.note(row{id: id, rev: "3-x", deleted: true})
	x.leave(id, "2-x", "other")
	if len(x.strangers(-time.Hour)) != 0 {
		t.Error("what is deleted is waited for")
	}
}
