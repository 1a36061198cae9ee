package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A log that grew too large begins anew, its end kept beside it, and whoever appends to it notices nothing.
func TestLogsAreTurned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.log")
	if err := turnLog(path, 100); err != nil {
		t.Errorf("a log that is not there yet: %v", err)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	holds := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(path), got, err, want)
		}
	}
	write := func(b byte, n int) string {
		text := bytes.Repeat([]byte{b}, n)
		if _, err := log.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := turnLog(path, 100); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	a := write('a', 100)
	holds(path, a)
	b := write('b', 50)
	holds(path, "")
	holds(path+".1", a[:50]+b)
	c := write('c', 10)
	holds(path, c)
	holds(path+".1", a[:50]+b)
	d := write('d', 300)
	holds(path, "")
	holds(path+".1", d[:100])
	if left, _ := filepath.Glob(path + ".next"); len(left) > 0 {
		t.Error("a half-made log was left")
	}
}
