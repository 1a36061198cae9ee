// Package labtest holds every lab to the contract of package lab, on a server that the lab's own test chooses.
package labtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// A Subject is a lab and a server to hold it to the contract with.
type Subject struct {
	Lab     lab.Lab
	Driver  brokers.Driver
	Variant brokers.Variant
	Version string // a prefix of what the server tells of itself; "" is anything

	Put    func(ctx context.Context, url, text string) error // stores for good
	Get    func(ctx context.Context, url string) (string, error)
	Burn   func(ctx context.Context, url string) error // uses at least 50 ms of CPU; nil where it cannot
	Logs   string                                      // what the server logs once at each start; "" is nothing
	Unable []lab.Action                                // what the lab must declare unfit
}

// Run holds the subject to every clause, on one node that is started once.
func Run(t *testing.T, s Subject) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if why := s.Lab.Unfit(ctx, s.Driver, s.Variant); why != "" {
		t.Fatalf("the lab is unfit: %s", why)
	}
	log := filepath.Join(t.TempDir(), "logs", "node.log")
	n, err := s.Lab.Start(ctx, lab.Request{Driver: s.Driver, Variant: s.Variant, Name: "broker", LogPath: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	c := clauses{Subject: s, node: n, log: log}
	for _, clause := range []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"Info", c.info}, {"Unable", c.unable}, {"Stats", c.stats}, {"KillKeepsData", c.kill}, {"StopKeepsData", c.stop},
		{"PauseAndResume", c.pause}, {"KillWhilePaused", c.killPaused}, {"NothingTwice", c.twice},
		{"WipeForgetsData", c.wipe}, {"Log", c.logged},
		{"Close", c.close},
	} {
		if !t.Run(clause.name, func(t *testing.T) { clause.run(ctx, t) }) {
			return
		}
	}
}

type clauses struct {
	Subject
	node lab.Node
	log  string
}

func (c clauses) can(a lab.Action) bool { return c.node.Can(a) == "" }

func (c clauses) do(ctx context.Context, t *testing.T, a lab.Action) {
	t.Helper()
	if err := c.node.Do(ctx, a); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
}

// readyWithin is how long a server that is up may take for an exchange, and how long silence is listened to.
const readyWithin = 500 * time.Millisecond

// ready makes one exchange within a short time.
func (c clauses) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	_, err := c.Driver.Server.Ready(ctx, c.node.Info().URL)
	return err
}

func (c clauses) info(ctx context.Context, t *testing.T) {
	i := c.node.Info()
	if i.Name != "broker" || i.Lab != c.Lab.Name() || i.Product != c.Driver.Server.Product {
		t.Errorf("info %+v", i)
	}
	if !strings.HasPrefix(i.Version, c.Version) || i.Version == "" {
		t.Errorf("version %q, want %q", i.Version, c.Version)
	}
	if !strings.HasPrefix(i.Addr, "127.0.0.1:") || !strings.Contains(i.URL, i.Addr) {
		t.Errorf("address %q, URL %q: must be on 127.0.0.1", i.Addr, i.URL)
	}
	for k, v := range c.Variant.Settings {
		if i.Settings[k] != v {
			t.Errorf("setting %s is %q, want %q", k, i.Settings[k], v)
		}
	}
	if err := c.ready(ctx); err != nil {
		t.Errorf("the server was not ready: %v", err)
	}
}

func (c clauses) unable(ctx context.Context, t *testing.T) {
	for _, a := range c.Unable {
		if c.node.Can(a) == "" {
			t.Errorf("%s is declared fit", a)
		}
		if err := c.node.Do(ctx, a); err == nil {
			t.Errorf("%s was done", a)
		}
	}
	if c.node.Can("explode") == "" {
		t.Error("an action that nobody knows is declared fit")
	}
}

func (c clauses) stats(ctx context.Context, t *testing.T) {
	before, err := c.node.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if before.RSS < 1<<19 || before.FDs == 0 || before.CPUSeconds < 0 {
		t.Errorf("stats %+v", before)
	}
	if c.Burn == nil {
		return
	}
	if err := c.Burn(ctx, c.node.Info().URL); err != nil {
		t.Fatal(err)
	}
	await(t, "the CPU time shows", func() bool {
		after, err := c.node.Stats(ctx)
		return err == nil && after.CPUSeconds >= before.CPUSeconds+0.05
	})
	began := time.Now()
	const samples = 20
	for range samples {
		if _, err := c.node.Stats(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(began) / samples; d > 25*time.Millisecond {
		t.Errorf("a sample takes %v", d)
	} else {
		t.Logf("a sample takes %v", d)
	}
}

// down brings the node down and up again, and sees that it was down, and that data, address and the account of
// its CPU time were kept.
func (c clauses) down(ctx context.Context, t *testing.T, a lab.Action) {
	t.Helper()
	if !c.can(a) {
		t.Logf("not applicable: %s", c.node.Can(a))
		return
	}
	before := c.node.Info()
	text := string(a) + " survivor"
	if err := c.Put(ctx, before.URL, text); err != nil {
		t.Fatal(err)
	}
	used, err := c.node.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.do(ctx, t, a)
	if err := c.ready(ctx); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after %s the server gives %v, not a refusal", a, err)
	}
	if _, err := c.node.Stats(ctx); err == nil {
		t.Errorf("after %s there still are stats", a)
	}
	began := time.Now()
	c.do(ctx, t, lab.Start)
	t.Logf("ready again after %v", time.Since(began).Round(time.Millisecond))
	if got, err := c.Get(ctx, before.URL); err != nil || got != text {
		t.Errorf("after %s and start the data is %q (%v), want %q", a, got, err, text)
	}
	after := c.node.Info()
	if after.Addr != before.Addr || after.URL != before.URL {
		t.Errorf("the address moved from %s to %s", before.Addr, after.Addr)
	}
	if before.PID != 0 && after.PID == before.PID {
		t.Errorf("it still is process %d", after.PID)
	}
	if s, err := c.node.Stats(ctx); err != nil || s.CPUSeconds < used.CPUSeconds {
		t.Errorf("CPU seconds fell from %v to %v (%v)", used.CPUSeconds, s.CPUSeconds, err)
	}
}

func (c clauses) kill(ctx context.Context, t *testing.T) { c.down(ctx, t, lab.Kill) }
func (c clauses) stop(ctx context.Context, t *testing.T) { c.down(ctx, t, lab.Stop) }

func (c clauses) pause(ctx context.Context, t *testing.T) {
	if !c.can(lab.Pause) {
		t.Logf("not applicable: %s", c.node.Can(lab.Pause))
		return
	}
	c.do(ctx, t, lab.Pause)
	began := time.Now()
	if err := c.ready(ctx); err == nil || time.Since(began) < readyWithin-50*time.Millisecond {
		t.Errorf("while paused the server gives %v after %v, not silence", err, time.Since(began))
	}
	if _, err := c.node.Stats(ctx); err != nil {
		t.Errorf("a paused node has no stats: %v", err)
	}
	if c.node.Do(ctx, lab.Pause) == nil {
		t.Error("it was paused twice")
	}
	c.do(ctx, t, lab.Resume)
	if err := c.ready(ctx); err != nil {
		t.Errorf("after it was resumed: %v", err)
	}
}

func (c clauses) killPaused(ctx context.Context, t *testing.T) {
	if !c.can(lab.Pause) {
		t.Logf("not applicable: %s", c.node.Can(lab.Pause))
		return
	}
	c.do(ctx, t, lab.Pause)
	c.do(ctx, t, lab.Kill)
	c.do(ctx, t, lab.Start)
	if err := c.ready(ctx); err != nil {
		t.Errorf("after kill and start it is still paused: %v", err)
	}
}

func (c clauses) twice(ctx context.Context, t *testing.T) {
	if !c.can(lab.Kill) {
		t.Logf("not applicable: %s", c.node.Can(lab.Kill))
		return
	}
	for _, a := range []lab.Action{lab.Start, lab.Resume} {
		if c.node.Can(a) == "" && c.node.Do(ctx, a) == nil {
			t.Errorf("%s was done to a running node", a)
		}
	}
	c.do(ctx, t, lab.Kill)
	for _, a := range []lab.Action{lab.Kill, lab.Stop, lab.Pause, lab.Resume} {
		if c.node.Can(a) == "" && c.node.Do(ctx, a) == nil {
			t.Errorf("%s was done to a dead node", a)
		}
	}
	c.do(ctx, t, lab.Start)
}

func (c clauses) wipe(ctx context.Context, t *testing.T) {
	if !c.can(lab.Wipe) {
		t.Logf("not applicable: %s", c.node.Can(lab.Wipe))
		return
	}
	before := c.node.Info()
	const text = "not to survive"
	if err := c.Put(ctx, before.URL, text); err != nil {
		t.Fatal(err)
	}
	if c.node.Do(ctx, lab.Wipe) == nil {
		t.Error("a running node was wiped")
	}
	c.do(ctx, t, lab.Kill)
	c.do(ctx, t, lab.Wipe)
	c.do(ctx, t, lab.Start)
	short, cancel := context.WithTimeout(ctx, 10*time.Second) // some wait for what is not there
	defer cancel()
	if got, err := c.Get(short, before.URL); err == nil && got == text {
		t.Error("the data survived")
	}
	if after := c.node.Info(); after.Addr != before.Addr || after.URL != before.URL {
		t.Errorf("the address moved from %s to %s", before.Addr, after.Addr)
	}
	if _, err := c.node.Stats(ctx); err != nil {
		t.Errorf("a wiped node has no stats: %v", err)
	}
}

// starts is how often the clauses have started the node when they close it: first, after kill, after stop, after kill while
// paused, after the second kill, after the wipe.
const starts = 6

func (c clauses) logged(_ context.Context, t *testing.T) {
	if c.Logs == "" {
		return
	}
	await(t, "the log holds every start once", func() bool {
		b, _ := os.ReadFile(c.log)
		return strings.Count(string(b), c.Logs) == starts
	})
}

func (c clauses) close(ctx context.Context, t *testing.T) {
	url := c.node.Info().URL
	for range 2 {
		if err := c.node.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ready(ctx); err == nil {
		t.Errorf("%s still answers", url)
	}
	if c.can(lab.Start) && c.node.Do(ctx, lab.Start) == nil {
		t.Error("a closed node was started")
	}
	if b, err := os.ReadFile(c.log); c.Logs != "" && (err != nil || strings.Count(string(b), c.Logs) != starts) {
		t.Errorf("the log holds %d starts, not %d (%v)", strings.Count(string(b), c.Logs), starts, err)
	}
}

// await waits for a condition.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
