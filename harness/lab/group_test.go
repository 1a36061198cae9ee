package lab_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// A member notes what is done to it, and is at its turn until all that are to be with it are there.
type member struct {
	name  string
	notes *notes
	meet  *sync.WaitGroup // nil where nobody is waited for
	err   error
}

type notes struct {
	mu   sync.Mutex
	list []string
}

func (m *member) note(what string) {
	m.notes.mu.Lock()
	defer m.notes.mu.Unlock()
	m.notes.list = append(m.notes.list, m.name+" "+what)
}

func (m *member) Info() lab.Info {
	return lab.Info{Name: m.name, URL: "x://" + m.name, Addr: m.name, PID: 7, Product: "p"}
}
func (m *member) Can(a lab.Action) string {
	if a == lab.Exhaust {
		return "no memory"
	}
	return ""
}
func (m *member) Do(_ context.Context, a lab.Action) error {
	m.note(string(a))
	if m.meet != nil {
		m.meet.Done()
		m.meet.Wait()
	}
	return m.err
}
func (m *member) Stats(context.Context) (lab.Stats, error) {
	return lab.Stats{CPUSeconds: 1, RSS: 2, FDs: 3, Conns: -1}, m.err
}
func (m *member) Close(context.Context) error { m.note("close"); return m.err }

func grouped() (lab.Group, []*member, *notes) {
	n := &notes{}
	ms := []*member{{name: "b-1", notes: n}, {name: "b-2", notes: n}, {name: "b-3", notes: n}}
	note := func(what string) func(context.Context) error {
		return func(context.Context) error { ms[0].note(what); return nil }
	}
	return lab.NewGroup("b", []lab.Node{ms[0], ms[1], ms[2]}, note("formed"), note("last")), ms, n
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

func TestGroupIsOneNode(t *testing.T) {
	g, ms, _ := grouped()
	if i := g.Info(); i.Name != "b" || i.URL != "x://b-1;x://b-2;x://b-3" || i.Addr != "" || i.PID != 0 || i.Product != "p" {
		t.Errorf("%+v", i)
	}
	if s, err := g.Stats(t.Context()); err != nil || s != (lab.Stats{CPUSeconds: 3, RSS: 6, FDs: 9, Conns: -1}) {
		t.Errorf("%+v, %v", s, err)
	}
	ms[1].err = errors.New("is down")
	if _, err := g.Stats(t.Context()); err == nil {
		t.Error("the sum of what is not known is known")
	}
	if g.Can(lab.Exhaust) != "no memory" || g.Can(lab.Kill) != "" || !strings.Contains(g.Can(lab.Isolate), "one member can") {
		t.Errorf("%q, %q, %q", g.Can(lab.Exhaust), g.Can(lab.Kill), g.Can(lab.Isolate))
	}
}

// All at once: each waits for the others.
func TestGroupStartsTogether(t *testing.T) {
	g, ms, n := grouped()
	var meet sync.WaitGroup
	meet.Add(3)
	for _, m := range ms {
		m.meet = &meet
	}
	if err := g.Do(t.Context(), lab.Start); err != nil {
		t.Fatal(err)
	}
	if got := n.take(); len(got) != 4 || got[3] != "b-1 formed" {
		t.Errorf("%v", got)
	}
}

// Without data the first has to be there before the others can join it.
func TestGroupThatWasWipedStartsWithTheFirst(t *testing.T) {
	g, ms, n := grouped()
	if err := g.Do(t.Context(), lab.Wipe); err != nil {
		t.Fatal(err)
	}
	n.take()
	ms[0].err = errors.New("no")
	if err := g.Do(t.Context(), lab.Start); err == nil || !slices.Equal(n.take(), []string{"b-1 start"}) {
		t.Errorf("the first did not start: %v", err)
	}
	ms[0].err = nil
	if err := g.Do(t.Context(), lab.Start); err != nil {
		t.Fatal(err)
	}
	got := n.take()
	if got[0] != "b-1 start" || got[3] != "b-1 formed" {
		t.Errorf("%v", got)
	}
}

func TestGroupClosesItsMembersFirst(t *testing.T) {
	g, ms, n := grouped()
	ms[1].err = errors.New("stays")
	if err := g.Close(t.Context()); err == nil {
		t.Error("no error")
	}
	if got := n.take(); len(got) != 4 || got[3] != "b-1 last" {
		t.Errorf("%v", got)
	}
}

func TestSingle(t *testing.T) {
	if lab.Single("process", brokers.Variant{}) != "" || lab.Single("process", brokers.Variant{Members: 1}) != "" {
		t.Error("a server alone is refused")
	}
	if why := lab.Single("process", brokers.Variant{Name: "cluster", Members: 3}); !strings.Contains(why, "lab docker") {
		t.Errorf("%q", why)
	}
}
