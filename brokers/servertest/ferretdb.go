package servertest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// FerretDB builds the server that stands in for MongoDB, from its module in this repository, and returns the binary's
// path. Where it cannot be built the test fails, but with BENCH_LAB auto or unset, where it is skipped.
func FerretDB(t testing.TB) string {
	t.Helper()
	sources, err := folder("ci/ferretdb", "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "ferretdb")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = sources
	build.Env = append(os.Environ(), "GOFLAGS=") // those of this test are not meant for it
	if out, err := build.CombinedOutput(); err != nil {
		if lab := os.Getenv("BENCH_LAB"); lab == "" || lab == "auto" {
			t.Skipf("FerretDB cannot be built here: %v\n%s", err, out)
		}
		t.Fatalf("build FerretDB: %v\n%s", err, out)
	}
	return binary
}

// folder finds a directory of this repository, by a file in it, from that of the test on upwards.
func folder(path, file string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Stat(filepath.Join(found, file)); err == nil {
			return found, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("the test does not run inside the source tree: there is no " + path)
		}
		dir = filepath.Dir(dir)
	}
}
