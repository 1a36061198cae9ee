package health

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// good is a worker that is well, at now.
func good(now time.Time) Status {
	return Status{Turned: now, Connected: true, Consuming: true, Slots: 8}
}

func TestHung(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		change func(*Status)
		want   string // in the error; "" is well
	}{
		"idle for a day": {func(s *Status) { s.Started, s.Finished = ago(24*time.Hour), ago(24*time.Hour) }, ""},
		"just begun":     {func(s *Status) {}, ""},
		"busy for a day": {func(s *Status) { s.Busy, s.Waiting, s.Oldest, s.Started = 8, 100, ago(24*time.Hour), ago(24*time.Hour) }, ""},
		"work after a day": {func(s *Status) {
			s.Waiting, s.Oldest, s.Started, s.Finished = 1, ago(time.Second), ago(24*time.Hour), ago(24*time.Hour)
		}, ""},
		"a slot just freed": {func(s *Status) {
			s.Busy, s.Waiting, s.Oldest, s.Started, s.Finished = 7, 100, ago(24*time.Hour), ago(time.Hour), ago(time.Second)
		}, ""},
		"no broker for a day": {func(s *Status) { s.Connected, s.Consuming, s.Started = false, false, ago(24*time.Hour) }, ""},
		"some are overdue":    {func(s *Status) { s.Busy, s.Overdue, s.Started = 8, 7, ago(24*time.Hour) }, ""},
		"loop stands":         {func(s *Status) { s.Turned = ago(31 * time.Second) }, "main loop has not turned for 31s"},
		"loop never turned":   {func(s *Status) { s.Turned = time.Time{} }, "main loop"},
		"nothing is started": {func(s *Status) {
			s.Busy, s.Waiting, s.Oldest, s.Started = 3, 5, ago(40*time.Second), ago(35*time.Second)
		}, "5 tasks wait, 5 of 8 slots are free, and nothing was started for 35s"},
		"nothing ever started": {func(s *Status) { s.Waiting, s.Oldest = 5, ago(40*time.Second) }, "nothing was started for 40s"},
		"all are overdue":      {func(s *Status) { s.Busy, s.Overdue, s.Started = 8, 8, ago(time.Minute) }, "beyond their time limit"},
		"all are just overdue": {func(s *Status) { s.Busy, s.Overdue, s.Started, s.Late = 8, 8, ago(time.Hour), ago(time.Second) }, ""},
		"no live child":        {func(s *Status) { s.Slots, s.Waiting, s.Oldest = 0, 2, ago(40*time.Second) }, "the pool has no live child, and nothing was started for 40s"},
		"a child just died": {func(s *Status) {
			s.Slots, s.Waiting, s.Oldest, s.Finished = 0, 2, ago(40*time.Second), ago(time.Second)
		}, ""},
		"another loop stands": {func(s *Status) { s.Turned, s.Loop = ago(31*time.Second), "wheel" }, "the wheel has not turned"},
	} {
		s := good(now)
		c.change(&s)
		err := s.Hung(now, 30*time.Second)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestReadyNamesAllReasons(t *testing.T) {
	if err := good(time.Now()).Ready(); err != nil {
		t.Error(err)
	}
	err := Status{Stopping: true}.Ready()
	for _, want := range []string{"stopping", "not connected", "no live child"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (Status{Connected: true, Slots: 1}).Ready(); err == nil || !strings.Contains(err.Error(), "does not consume") {
		t.Errorf("got %v", err)
	}
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		if !p.Last().IsZero() {
			t.Error("it was never touched")
		}
		time.Sleep(time.Minute)
		p.Touch()
		if !p.Last().Equal(time.Now()) {
			t.Errorf("touched at %v", p.Last())
		}
	})
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestAnswers(t *testing.T) {
	s := good(time.Now())
	h := Handler(Source{Status: func() Status { return s }}, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(t, h, path); code != 200 || body != "ok\n" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	s.Connected = false
	if code, body := get(t, h, "/readyz"); code != 503 || !strings.Contains(body, "not connected") {
		t.Errorf("readyz: %d %q", code, body)
	}
	if code, _ := get(t, h, "/healthz"); code != 200 {
		t.Errorf("a worker without a broker is restarted, which helps nobody: %d", code)
	}
	s.Turned = time.Now().Add(-DefaultPatience - time.Second)
	if code, body := get(t, h, "/healthz"); code != 503 || !strings.HasPrefix(body, "hung: ") {
		t.Errorf("healthz: %d %q", code, body)
	}
}

func TestServerStopsAndTellsOfATakenPort(t *testing.T) {
	source := Source{Status: func() Status { return good(time.Now()) }}
	s, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(s.Addr()); host != "127.0.0.1" {
		t.Errorf("it listens at %s", s.Addr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, source, nil) }()
	answer, err := http.Get("http://" + s.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("got %q", body)
	}
	if _, err := Listen(s.Addr()); err == nil || !strings.Contains(err.Error(), s.Addr()+" is taken by another process") {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := Listen("9808"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("no port: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if answer, err := http.Get("http://" + s.Addr() + "/healthz"); err == nil {
		_ = answer.Body.Close()
		t.Error("it still answers")
	}
}
