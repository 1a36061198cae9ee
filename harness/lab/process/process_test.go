package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/port"
	"taskbench/harness/lab/proc"
)

func TestMain(m *testing.M) {
	labtest.Main()
	os.Exit(m.Run())
}

func newLab(t *testing.T, grace time.Duration) (lab.Lab, string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where the lab makes its directories, to be found empty again
	state := t.TempDir()
	r, err := leftovers.Open(state, "test")
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Register: r, Grace: grace}), state
}

func request(t *testing.T, variant string) lab.Request {
	t.Helper()
	d := labtest.Driver()
	v, err := d.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Request{Driver: d, Variant: v, Name: "broker", LogPath: filepath.Join(t.TempDir(), "broker.log"), Patience: 20 * time.Second}
}

// empty fails unless no claim and no directory is left.
func empty(t *testing.T, state string) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(state, "*.json"), filepath.Join(os.TempDir(), "*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestContract(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	r := request(t, labtest.Plain)
	labtest.Run(t, labtest.Subject{
		Lab: l, Driver: r.Driver, Variant: r.Variant, Version: labtest.Version,
		Put: func(ctx context.Context, url, text string) error {
			_, err := labtest.Ask(ctx, labtest.Host(url), "put "+text)
			return err
		},
		Get: func(ctx context.Context, url string) (string, error) {
			return labtest.Ask(ctx, labtest.Host(url), "get")
		},
		Burn: func(ctx context.Context, url string) error {
			_, err := labtest.Ask(ctx, labtest.Host(url), "burn")
			return err
		},
		Logs: "fake: mode plain (<nil>)",
	})
	empty(t, state)
}

// A server with a child in its group, one outside of it and a daemon that it let go of: all are ended with it,
// and the first two stop when it is paused.
func TestTakesAllOfTheTree(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	n, err := l.Start(t.Context(), request(t, labtest.Strews))
	if err != nil {
		t.Fatal(err)
	}
	marked := func() (ps []proc.Process) {
		all, err := proc.All()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if mark, ok := proc.Environ(p.PID, envNode); ok && mark == n.(*node).mark && !p.Gone() {
				ps = append(ps, p)
			}
		}
		return ps
	}
	await(t, "the server has strewn its children, and the daemon has left the family", func() bool {
		all, err := proc.All()
		if err != nil {
			t.Fatal(err)
		}
		return len(marked()) == 4 && len(proc.Family(all, n.Info().PID)) == 3
	})
	if err := n.Do(t.Context(), lab.Pause); err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for _, p := range marked() {
		if p.State == 'T' {
			stopped++
		}
	}
	if stopped != 3 {
		t.Errorf("%d processes are stopped, not the server and its two children", stopped)
	}
	if err := n.Do(t.Context(), lab.Kill); err != nil {
		t.Fatal(err)
	}
	if left := marked(); len(left) != 1 {
		t.Errorf("after the kill there are %+v, not the daemon alone", left)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the daemon is gone", func() bool { return len(marked()) == 0 })
	empty(t, state)
}

func TestServerThatEndsAtOnce(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	_, err := l.Start(t.Context(), request(t, labtest.Crashes))
	if !errors.Is(err, lab.ErrEnded) {
		t.Fatalf("started: %v", err)
	}
	for _, want := range []string{"exit status 3", "fake: no more disk", "line 29"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 5\n") {
		t.Errorf("the error holds more than the end of the log: %v", err)
	}
	empty(t, state)
}

func TestServerThatNeverAnswers(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	r := request(t, labtest.Mute)
	r.Patience = 300 * time.Millisecond
	_, err := l.Start(t.Context(), r)
	if !errors.Is(err, lab.ErrNotReady) || !strings.Contains(err.Error(), "fake: mode mute") {
		t.Errorf("started: %v", err)
	}
	empty(t, state)
}

func TestStartIsInterrupted(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := l.Start(ctx, request(t, labtest.Mute)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("started: %v", err)
	}
	empty(t, state)
}

func TestStopOfOneThatClings(t *testing.T) {
	l, state := newLab(t, 300*time.Millisecond)
	n, err := l.Start(t.Context(), request(t, labtest.Clings))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Do(t.Context(), lab.Stop); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stopped: %v", err)
	}
	if _, err := n.Stats(t.Context()); err == nil {
		t.Error("it still runs")
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty(t, state)
}

func TestPortTaken(t *testing.T) {
	l, state := newLab(t, 10*time.Second)
	ln, err := port.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	taken, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	thief, err := port.At(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = thief.Close() }()
	r := request(t, labtest.Plain)
	r.Port = taken
	if _, err := l.Start(t.Context(), r); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Errorf("started: %v", err)
	}
	empty(t, state)
}

func TestUnfitNamesWhatIsMissing(t *testing.T) {
	l, _ := newLab(t, 10*time.Second)
	d := labtest.Driver()
	d.Server.Binaries = []string{"no-such-server|nor-this"}
	if why := l.Unfit(t.Context(), d, brokers.Variant{}); why != "no-such-server or nor-this is not on PATH" {
		t.Errorf("unfit because %q", why)
	}
	if why := l.Unfit(t.Context(), brokers.Driver{Name: "library"}, brokers.Variant{}); !strings.Contains(why, "library has no server") {
		t.Errorf("unfit because %q", why)
	}
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
