package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A long run that is killed has left a report, and the pieces of its history are judged as far as they go.
func TestSoakThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start(t, append(inScene("200/s", "10s", "5ms", "")(t), "--pools", "goroutine", "--for", "1h", "--piece", "400ms", "--out", s.out)...)
	p.says(t, "piece 3 is stored", patience)
	p.says(t, "piece 4 is stored", patience) // the report that follows the third is written
	hit(t, p, syscall.SIGKILL)
	p.code(t, patience)
	for _, name := range []string{"result.json", "report.html", "summary.md"} {
		if left, _ := filepath.Glob(filepath.Join(s.out, name)); len(left) != 1 {
			t.Errorf("no %s was left", name)
		}
	}
	s.sweep(t)
	again := s.start(t, "check", s.out)
	if code := again.code(t, patience); code != exitUndecided {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"cut short", "what came later is not known", "acknowledged", "pieces of its history"} {
		if !strings.Contains(again.stdout.String(), want) {
			t.Errorf("does not say %q:\n%s", want, again.stdout.String())
		}
	}
}
