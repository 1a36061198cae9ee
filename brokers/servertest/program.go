package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/brokers"
)

// Program returns where a server is that Go makes, and has it made where it has not been for this user. Where it cannot be
// had the test fails, but with BENCH_LAB auto or unset, where it is skipped.
func Program(t testing.TB, p brokers.Program) string {
	t.Helper()
	at, err := p.Make(t.Context(), brokers.Workbench{})
	if err == nil {
		return at
	}
	if lab := os.Getenv("BENCH_LAB"); lab == "" || lab == "auto" {
		t.Skip(err)
	}
	t.Fatal(err)
	return ""
}

// FakeGo puts something on PATH for the rest of a test that goes by the name of go, for a user who has built nothing yet:
// its build is a copy of the binary, or whatever instead says in the shell's language of its commands get and build. asked
// are the commands that it was given.
func FakeGo(t testing.TB, binary string, instead map[string]string) (asked func() []string) {
	t.Helper()
	home, bin := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	does := map[string]string{"get": ":", "build": fmt.Sprintf("while [ \"$1\" != -o ]; do shift; done; cp %q \"$2\"", binary)}
	for command, script := range instead {
		does[command] = script
	}
	list := filepath.Join(bin, "asked")
	text := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %q\ncase $1 in\nget) %s ;;\nbuild) %s ;;\nesac\n", list, does["get"], does["build"])
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}
