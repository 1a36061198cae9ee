package servertest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PouchDB puts the server that stands in for CouchDB on PATH for the rest of a test: the packages that this repository
// pins, which npm fetches once for a machine. Where they cannot be had the test fails, but with BENCH_LAB auto or unset,
// where it is skipped. Where one of the two servers is on PATH already it does nothing.
func PouchDB(t *testing.T) {
	t.Helper()
	for _, name := range []string{"couchdb", "pouchdb-server"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	dir, err := pouchdb()
	if err != nil {
		if lab := os.Getenv("BENCH_LAB"); lab == "" || lab == "auto" {
			t.Skipf("PouchDB Server cannot be had here: %v", err)
		}
		t.Fatalf("fetch PouchDB Server: %v", err)
	}
	t.Setenv("PATH", filepath.Join(dir, "node_modules", ".bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// pouchdb returns where the packages are.
func pouchdb() (string, error) {
	sources, err := folder("ci/pouchdb", "package-lock.json")
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(sources, "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "taskbench", fmt.Sprintf("pouchdb-%x", sha256.Sum256(lock))[:24])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }() // it has another name when all went well
	if err := os.CopyFS(fresh, os.DirFS(sources)); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // another test was not faster
			return "", err
		}
	}
	return dir, nil
}
