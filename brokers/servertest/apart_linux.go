package servertest

import (
	_ "embed" // what is preloaded
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed preload/apart.c
var apart string

// Apart returns what to add to the environment of a server, so that it reads a time of day that is so far ahead of this
// machine's. It works with servers that are written in C, and with those that ask the C library for the time. It takes a C
// compiler: without one the test ends as Launch has it end.
func Apart(t testing.TB, ahead time.Duration) []string {
	t.Helper()
	compiler := Find(t, "cc|gcc|clang")
	dir, err := os.MkdirTemp("/tmp", "taskbench-apart-") // a path that another user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	source, library := filepath.Join(dir, "apart.c"), filepath.Join(dir, "apart.so")
	if err := os.WriteFile(source, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, out)
	}
	return []string{"LD_PRELOAD=" + library, fmt.Sprintf("TASKBENCH_AHEAD=%d", int(ahead.Seconds()))}
}
