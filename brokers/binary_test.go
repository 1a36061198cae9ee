package brokers

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBinary(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"14/bin/server", "15/bin/server", "16/bin/other"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "16/bin/server"), nil, 0o600); err != nil { // not to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(dir, "16/bin"))
	pattern := filepath.Join(dir, "*/bin/server")
	for names, want := range map[string]string{
		"other":                "16/bin/other",
		"none|other":           "16/bin/other",
		"none":                 "",
		"server":               "",
		"server|" + pattern:    "15/bin/server",
		dir + "/17/bin/server": "",
	} {
		if want != "" {
			want = filepath.Join(dir, want)
		}
		if got := Binary(names); got != want {
			t.Errorf("Binary(%q) = %q, want %q", names, got, want)
		}
	}
}
