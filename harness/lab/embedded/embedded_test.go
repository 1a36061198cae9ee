package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
)

func TestMain(m *testing.M) {
	labtest.Main()
	os.Exit(m.Run())
}

func newLab(t *testing.T) lab.Lab {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	state := t.TempDir()
	r, err := leftovers.Open(state, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pattern := range []string{filepath.Join(state, "*.json"), filepath.Join(os.TempDir(), "taskbench-*")} {
			if left, _ := filepath.Glob(pattern); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
	return New(Options{Register: r})
}

func TestContract(t *testing.T) {
	d := labtest.Driver()
	labtest.Run(t, labtest.Subject{
		Lab: newLab(t), Driver: d, Variant: d.Variants[0], Version: labtest.Version,
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
		Unable: []lab.Action{lab.Pause, lab.Resume},
	})
}

// A server that Go makes is started as lab process starts servers, under this lab's name: it can be paused, too.
func TestContractOfAProgram(t *testing.T) {
	l := newLab(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := labtest.Made()
	asked := servertest.FakeGo(t, self, nil)
	if why := l.Unfit(t.Context(), d, brokers.Variant{}); !strings.Contains(why, "name the broker, and Go builds it") {
		t.Errorf("before it is made: %q", why)
	}
	if _, err := d.Server.Program.Make(t.Context(), brokers.Workbench{}); err != nil {
		t.Fatal(err)
	}
	labtest.Run(t, labtest.Subject{
		Lab: l, Driver: d, Variant: d.Variants[0], Version: labtest.Version,
		Put: func(ctx context.Context, url, text string) error {
			_, err := labtest.Ask(ctx, labtest.Host(url), "put "+text)
			return err
		},
		Get: func(ctx context.Context, url string) (string, error) {
			return labtest.Ask(ctx, labtest.Host(url), "get")
		},
	})
	maker, ok := l.(lab.Maker)
	if !ok || maker.Makes(t.Context(), d) != "" || len(asked()) != 2 {
		t.Errorf("what is made is made again: %q", asked())
	}
}

func TestLibraryHasADirectoryAndNothingToHurt(t *testing.T) {
	l := newLab(t)
	d := brokers.Driver{Name: "files", Variants: []brokers.Variant{{Name: "wal"}}, Server: brokers.ServerSpec{
		Library: true,
		URL:     func(addr string) string { return "files://" + addr },
		Ready: func(_ context.Context, url string) (string, error) {
			info, err := os.Stat(strings.TrimPrefix(url, "files://"))
			if err == nil && !info.IsDir() {
				err = errors.New("not a directory")
			}
			return "9", err
		},
	}}
	n, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker"})
	if err != nil {
		t.Fatal(err)
	}
	i := n.Info()
	if i.Addr != "" || i.Version != "9" || i.Product != "files" || !i.Shared {
		t.Errorf("info %+v", i)
	}
	for _, a := range []lab.Action{lab.Kill, lab.Stop, lab.Start, lab.Pause, lab.Resume} {
		if why := n.Can(a); !strings.Contains(why, "hurt the worker instead") {
			t.Errorf("%s: %q", a, why)
		}
		if n.Do(t.Context(), a) == nil {
			t.Errorf("%s was done", a)
		}
	}
	if _, err := n.Stats(t.Context()); err == nil {
		t.Error("a library has stats of its own")
	}
	for range 2 {
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(i.URL, "files://")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory outlived the node: %v", err)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	l := newLab(t)
	broken := errors.New("planted")
	d := labtest.Driver()
	d.Server.Embedded = func(context.Context, brokers.Launch) (brokers.Server, error) { return nil, broken }
	if _, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker"}); !errors.Is(err, broken) {
		t.Errorf("started: %v", err)
	}
}

func TestUnfit(t *testing.T) {
	l := newLab(t)
	if why := l.Unfit(t.Context(), brokers.Driver{Name: "big"}, brokers.Variant{}); !strings.Contains(why, "broker big cannot be embedded") {
		t.Errorf("unfit because %q", why)
	} else if !strings.Contains(why, "labs docker and process") {
		t.Errorf("%q does not say what would do", why)
	}
	d := labtest.Driver()
	if _, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: d.Variants[0], Name: "b", Keep: true}); err == nil || !strings.Contains(err.Error(), "kept") {
		t.Errorf("started to be kept: %v", err)
	}
}
