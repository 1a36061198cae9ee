package couchdb

import (
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

func TestNamesAreOrdered(t *testing.T) {
	g := newIDs(newClock(func() time.Time { return time.Unix(1_700_000_000, 0) })) // a clock that stands still
	last := ""
	for range 1000 {
		id := g.ready("q", 5)
		if id <= last {
			t.Fatalf("%s does not come after %s", id, last)
		}
		last = id
	}
	var keys []string // as they are to come
	now := time.Unix(1_700_000_100, 0)
	for _, id := range []string{
		g.ready("q", 200), g.ready("q", 9), g.delayed("q", 9, now), g.delayed("q", 9, now.Add(time.Second)), g.ready("q", 5), g.ready("q", 0),
	} {
		p, ok := placeOf(id)
		if !ok || p.queue != "q/q/" {
			t.Errorf("%s is read as %+v, %v", id, p, ok)
		}
		keys = append(keys, p.key)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("they come in the order of %q", keys)
	}
	if p, _ := placeOf(g.delayed("q", 0, now)); p.due != now.UnixMicro() {
		t.Errorf("due at %d, want %d", p.due, now.UnixMicro())
	}
}

func TestNamesOfQueues(t *testing.T) {
	for _, queue := range []string{"celery", "a/b", "größe ✓", "", "100%", "%41", "_x", `"`, "a\x00b\xff"} {
		id := newIDs(newClock(time.Now)).ready(queue, 3)
		p, ok := placeOf(id)
		if !ok || unescape(p.queue) != queue || p.queue != of(queue) {
			t.Errorf("queue %q is %q in %s", queue, unescape(p.queue), id)
		}
		if strings.Count(id, "/") != 3 {
			t.Errorf("queue %q is not escaped in %s", queue, id)
		}
	}
	for _, id := range []string{"invoice", "_design/q/x", "q/", "q/x", "q/x/", "q/x/d/", "q/x/d/12/3", "q/x/d/zzzzzzzzzzzzzzzz/3"} {
		if p, ok := placeOf(id); ok {
			t.Errorf("%s is taken for one of ours: %+v", id, p)
		}
	}
}

// What is put aside twice is there once, and keeps its place.
func TestAside(t *testing.T) {
	id := newIDs(newClock(time.Now)).ready("a/b", 3)
	other := aside(id, "a/b.dead")
	if !strings.HasPrefix(other, of("a/b.dead")) || other != aside(id, "a/b.dead") || other == id {
		t.Errorf("%s is put aside as %s", id, other)
	}
}

func TestRevisions(t *testing.T) {
	for rev, want := range map[string]int{"1-abc": 1, "12-x": 12, "": 0, "x-1": 0} {
		if got := generation(rev); got != want {
			t.Errorf("%q is generation %d, want %d", rev, got, want)
		}
	}
	if isHeld("1-a") || !isHeld("2-a") || isHeld("3-a") {
		t.Error("a revision tells wrongly whether a message is held")
	}
}

// Replies that name the second bound the server's clock, the better the more there are.
func TestClock(t *testing.T) {
	local := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newClock(func() time.Time { return local })
	const truth = time.Hour + 300*time.Millisecond
	reply := func(after time.Duration) {
		local = local.Add(after)
		c.hear(local.Add(truth).Format("Mon, 02 Jan 2006 15:04:05 GMT"), local)
	}
	reply(0)
	if off := c.ahead() - truth; off.Abs() > time.Second {
		t.Errorf("after one reply it is %v off", off)
	}
	for range 50 {
		reply(110 * time.Millisecond)
	}
	if off := c.ahead() - truth; off.Abs() > 100*time.Millisecond {
		t.Errorf("after fifty replies it is %v off", off)
	}
	c.hear("nonsense", local)
	local = local.Add(2 * time.Hour) // somebody sets ours
	c.hear(local.Add(truth-2*time.Hour).Format("Mon, 02 Jan 2006 15:04:05 GMT"), local)
	if off := c.ahead() - (truth - 2*time.Hour); off.Abs() > time.Second {
		t.Errorf("after our clock was set it is %v off", off)
	}
}

// Clocks that may be the same are: messages of one machine are in its own order.
func TestClockThatAgrees(t *testing.T) {
	local := time.Date(2026, 1, 2, 3, 4, 5, 700e6, time.UTC)
	c := newClock(func() time.Time { return local })
	c.hear("Fri, 02 Jan 2026 03:04:05 GMT", local.Add(-20*time.Millisecond))
	if off := c.ahead(); off != 0 {
		t.Errorf("the server is taken to be %v ahead", off)
	}
}

func TestLargest(t *testing.T) {
	m := brokers.Message{Queue: "q", Body: make([]byte, largest)}
	if _, err := pack("q/q/9/1", m); !brokers.Definite(err) {
		t.Errorf("what CouchDB does not store: %v", err)
	}
	m.Body = m.Body[:1<<20]
	if _, err := pack("q/q/9/1", m); err != nil {
		t.Errorf("a mebibyte: %v", err)
	}
}
