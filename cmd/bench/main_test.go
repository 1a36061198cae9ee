package main

import (
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"taskbench/harness/lab/labtest"
	"taskbench/harness/systems/native"
)

// asCommand makes this test binary the command itself.
const asCommand = "TASKBENCH_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	native.Main()
	if os.Getenv(asCommand) != "" {
		main()
	}
	labtest.AtOnce(5) // commands wait for their load to come, and for servers to start
	// Under nohup the commands that tests start would be born deaf to a closing terminal. A signal that is handled
	// here is at its default in a child.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// testdata is where golden files are, for tests that change the working directory too.
var testdata, _ = filepath.Abs("testdata")

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with the file that says how it must be.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./cmd/bench -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// command runs a command line inside this process, with nothing behind it that starts anything.
func command(t *testing.T, change func(*app), args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	a := newApp(args, &out, &errs)
	fake(t, a)
	if change != nil {
		change(a)
	}
	code = a.execute(t.Context())
	return code, out.String(), errs.String()
}
