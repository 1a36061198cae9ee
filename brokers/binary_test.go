package brokers

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
)

func TestBinary(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"9.6/bin/server", "14/bin/server", "15/bin/server", "16/bin/other", "9.6/sbin/aged", "17/sbin/aged"} {
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
		dir + "/*/sbin/aged":   "17/sbin/aged", // and not the one whose name is the last
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

func TestPathsByVersion(t *testing.T) {
	inOrder := []string{"/a/9/s", "/a/9.6/s", "/a/009.10/s", "/a/10/s", "/a/10.1/s", "/a/17/s", "/a/100/s", "/b/1/s"}
	for i, a := range inOrder {
		for k, b := range inOrder {
			if got := byVersion(a, b); got != cmp.Compare(i, k) {
				t.Errorf("%s against %s is %d, want %d", a, b, got, cmp.Compare(i, k))
			}
		}
	}
}
