package ledger

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sink(t *testing.T, r *Recorder) (*Sink, net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path, r.run, []string{"broker", "worker-1"}, r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return s, c
}

func TestSinkRecordsAndAnswersWhenAsked(t *testing.T) {
	r := newStory()
	s, c := sink(t, r)
	answers := bufio.NewScanner(c)
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(c, format+"\n", args...); err != nil {
			t.Fatal(err)
		}
	}
	id := r.run.ID(1)
	say(`{"id":%q,"kind":"received","attempt":"c1:17","at":%d,"pid":71,"node":"worker-1"}`, id, at(5))
	say(`{"id":%q,"kind":"started","attempt":"c1:17","at":%d,"pid":71,"node":"worker-1"}`, id, at(6))
	say(`{"id":%q,"kind":"finished","attempt":"c1:17","at":%d,"outcome":"ok","pid":71,"node":"worker-1","sync":true}`, id, at(7))
	say(`{"id":"somebody else's","kind":"received","attempt":18446744073709551615,"node":"worker-1","sync":true}`)
	for range 2 {
		if !answers.Scan() || answers.Text() != `{"ok":true}` {
			t.Fatalf("answer %q", answers.Text())
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	h := r.Freeze(Meta{})
	a := h.Task(1).Attempts
	if len(a) != 1 || a[0].Received != 5*ms || a[0].Started != 6*ms || a[0].Finished != 7*ms || a[0].PID != 71 || a[0].Node != 1 || a[0].Outcome != OK {
		t.Errorf("attempts %+v", a)
	}
	if f, n := h.Foreign(); n != 1 || f[0].Attempt != 1<<64-1 || f[0].At == 0 {
		t.Errorf("foreign events %+v", f)
	}
}

func TestSinkRejectsAndSaysWhy(t *testing.T) {
	r := newStory()
	id := r.run.ID(1)
	for line, want := range map[string]string{
		`not JSON`: "invalid character",
		`{"id":"` + id + `","kind":"done","attempt":1,"node":"worker-1","sync":true}`:                   "unknown kind",
		`{"id":"` + id + `","kind":"finished","attempt":1,"node":"worker-1","sync":true}`:               "an outcome belongs",
		`{"id":"` + id + `","kind":"started","attempt":1,"node":"worker-1","outcome":"ok","sync":true}`: "an outcome belongs",
		`{"id":"` + id + `","kind":"finished","attempt":1,"node":"worker-1","outcome":"x","sync":true}`: "unknown outcome",
		`{"id":"` + id + `","kind":"started","attempt":1,"node":"worker-9","sync":true}`:                "unknown node",
		`{"id":"` + id + `","kind":"started","node":"worker-1","sync":true}`:                            "attempt must be",
		`{"id":"` + id + `","kind":"started","attempt":"","node":"worker-1","sync":true}`:               "attempt is missing",
		`{"id":"` + id + `","kind":"started","attempt":-1,"node":"worker-1","sync":true}`:               "attempt must be",
		`{"id":"` + strings.Repeat("x", maxLine) + `","kind":"started","attempt":1,"node":"worker-1"}`:  "line of more than",
	} {
		s, c := sink(t, r)
		if _, err := fmt.Fprintln(c, line); err != nil {
			t.Fatal(err)
		}
		asked := strings.Contains(line, `"sync"`)
		if !asked { // a good line behind it, to know that it was read
			fmt.Fprintln(c, `{"id":"x","kind":"received","attempt":1,"node":"worker-1","sync":true}`)
		}
		answer, _ := bufio.NewReader(c).ReadString('\n') // after too long a line there is the end of the connection
		if asked && (!strings.Contains(answer, want) || !strings.Contains(answer, `"ok":false`)) {
			t.Errorf("%.100s: answer %q, want it to say %q", line, answer, want)
		}
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "1 lines") {
			t.Errorf("%.100s: Close says %v, want %q", line, err, want)
		}
	}
}
