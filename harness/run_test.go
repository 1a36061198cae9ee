package harness

import (
	"os"
	"path/filepath"
	"testing"
)

// A run into the directory of an earlier one does not mix its logs and histories with those, and leaves the rest.
func TestEarlierRunIsForgotten(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{
		"logs/redis.memory.prefork.io.1.broker.log": false, "history.redis.memory.prefork.io.1.tbz": false,
		"notes.txt": true, "logs/mine": true,
	}
	for name := range there {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := forgetEarlier(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range there {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", name, err == nil, want)
		}
	}
}
