package brokers_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

const echo = brokers.Program("example.org/tools/echo/v2@v2.1.0")

func truth(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A program is made once, by its package and version, for each operating system, and what is found is whole.
func TestProgramIsMadeOnce(t *testing.T) {
	asked := servertest.FakeGo(t, truth(t), nil)
	if at := echo.Found(); at != "" {
		t.Fatalf("found at %s before it was made", at)
	}
	var claimed []string
	w := brokers.Workbench{Claim: func(dir string) (func() error, error) {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is claimed when it is there already", dir)
		}
		claimed = append(claimed, dir)
		return func() error {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is still there when its claim is released", dir)
			}
			return nil
		}, nil
	}}
	for range 2 {
		at, err := echo.Make(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join("taskbench/programs/example.org/tools/echo/v2@v2.1.0", runtime.GOOS+"-"+runtime.GOARCH, "echo"); !strings.HasSuffix(at, want) || at != echo.Found() {
			t.Errorf("made at %s, found at %s, want %s", at, echo.Found(), want)
		}
		if err := exec.CommandContext(t.Context(), at).Run(); err != nil {
			t.Error(err)
		}
	}
	want := []string{"get " + string(echo), "build -trimpath -ldflags -s -w -o echo example.org/tools/echo/v2"}
	if got := asked(); strings.Join(got, "\n") != strings.Join(want, "\n") || len(claimed) != 1 {
		t.Errorf("Go was told %q, want %q; claimed %q", got, want, claimed)
	}
	if echo.String() != "echo v2.1.0" || brokers.Program("example.org/other@v1.0.0").Found() != "" {
		t.Errorf("it is called %s, or another is found in its place", echo)
	}
	if _, err := echo.Make(t.Context(), brokers.Workbench{System: "plan9"}); err != nil || len(asked()) != 4 {
		t.Errorf("for another system: %v, %q", err, asked())
	}
}

// Who lacks Go, or the way to the modules, learns what to do; and nothing is left, or found later.
func TestProgramThatCannotBeMade(t *testing.T) {
	for name, c := range map[string]struct {
		instead map[string]string
		want    []string
	}{
		"no modules":   {map[string]string{"get": "echo dial tcp: no route; exit 1"}, []string{"build echo v2.1.0", "go get", "no route", "go env GOPROXY"}},
		"no build":     {map[string]string{"build": "echo half > echo; echo undefined: x; exit 1"}, []string{"build echo v2.1.0", "go build", "undefined: x"}},
		"no binary":    {map[string]string{"build": ":"}, []string{"build echo v2.1.0", "no such file"}},
		"without a Go": {nil, []string{"build echo v2.1.0", "install Go"}},
	} {
		t.Run(name, func(t *testing.T) {
			servertest.FakeGo(t, truth(t), c.instead)
			if c.instead == nil {
				t.Setenv("PATH", t.TempDir())
			}
			_, err := echo.Make(t.Context(), brokers.Workbench{})
			if err == nil || errors.Is(err, brokers.ErrNoGo) != (c.instead == nil) {
				t.Fatalf("made: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			at, err := echo.Path(runtime.GOOS)
			if err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(filepath.Dir(at)); len(left) > 0 || echo.Found() != "" {
				t.Errorf("left behind: %v, found %q", left, echo.Found())
			}
		})
	}
}

// A binary that is too old, or does not say what it is, will not do.
func TestUnfitBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server")
	for script, want := range map[string]string{
		`echo "server: v2.9.10"`:                  "is 2.9.10, which is too old: 2.10 or newer is wanted",
		`echo "server: v2.10.0"`:                  "",
		`echo "server: v2.11.0-RC.1"`:             "",
		`[ "$*" = --version ] && echo 3.0`:        "",
		`echo "server: no such flag" >&2; exit 1`: "does not say its version",
		`:`: "does not say its version",
	} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		s := brokers.ServerSpec{Oldest: "2.10"}
		if got := s.Unfit(t.Context(), path); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
		if got := (brokers.ServerSpec{}).Unfit(t.Context(), path); got != "" {
			t.Errorf("%s, where any will do: %q", script, got)
		}
	}
}
