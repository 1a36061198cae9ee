package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"": "=", "celery": "celery", "my.queue": "my=2Equeue", "a b*>": "a=20b=2A=3E", "=": "=3D", "ü": "=C3=BC", "\x00/\\": "=00=2F=5C", "A_b-9": "A_b-9",
	} {
		got := token(text)
		back, ok := untoken(got)
		if got != want || !ok || back != text {
			t.Errorf("%q is written %s, want %s, and read as %q, %v", text, got, want, back, ok)
		}
	}
	for _, bad := range []string{"=2", "a=", "=zz", "=2e"} {
		if text, ok := untoken(bad); ok {
			t.Errorf("%q is read as %q", bad, text)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("my.queue")
	f.Fuzz(func(t *testing.T, text string) {
		got := token(text)
		if back, ok := untoken(got); !ok || back != text || strings.ContainsAny(got, ". *>/\\\r\n\t") {
			t.Errorf("%q is written %q and read as %q, %v", text, got, back, ok)
		}
	})
}

func TestNamesThatFit(t *testing.T) {
	long := strings.Repeat("a", longest)
	if err := fits(long); err != nil {
		t.Error(err)
	}
	if err := fits(brokers.DeadLetterQueue(long)); err != nil {
		t.Errorf("what a queue's dead letters need: %v", err)
	}
	if n := len(queueOf(brokers.DeadLetterQueue(long)).name); n > 255 {
		t.Errorf("the stream's name has %d bytes", n)
	}
	if err := fits(long + "a"); !brokers.Definite(err) {
		t.Errorf("a longer one: %v", err)
	}
}

func TestConfigure(t *testing.T) {
	memory := brokers.Variant{Settings: map[string]string{"storage": "memory"}}
	for url, want := range map[string]string{
		"nats://h": "h:4222", "nats://h:1/": "h:1", "nats://u:p@h:1": "h:1", "nats://:token@[::1]:1": "[::1]:1", "tls://h": "h:4222",
	} {
		s, err := configure(url, memory)
		if err != nil || s.addr != want || s.storage != jetstream.MemoryStorage || (s.tls != nil) != strings.HasPrefix(url, "tls") {
			t.Errorf("%s: %+v, %v", url, s, err)
		}
	}
	for url, want := range map[string]string{
		"nats://u:s3cret@h?nonsense=1": `no parameter "nonsense"`, "nats://u:s3cret@h:0": "port", "nats://s3cret@h": "a token is written", "nats://u:s3cret@h/1": "more than a host",
		"http://u:s3cret@h": "scheme", "nats://u:s3cret@": "no host", "nats://u:s3cret@h?tls_ca=f": "tls://", "tls://u:s3cret@h?tls_ca=unit_test.go": "PEM",
	} {
		_, err := configure(url, memory)
		if !brokers.Definite(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want a Definite error with %q", url, err, want)
		}
	}
}

// The client's clock may be an hour off, and be set while it runs: what counts is the server's, and how much time passes.
func TestClocksThatDiffer(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		c := clock{server: time.Now().Add(off), asked: time.Now()}
		stored := c.server.Add(-10 * time.Second)
		if left := c.until(stored, 30*time.Second); left < 19*time.Second || left > 20*time.Second {
			t.Errorf("with the server's clock %v off, 30 s after it was stored 10 s ago is in %v", off, left)
		}
		if left := c.until(stored, 5*time.Second); left > 0 {
			t.Errorf("with the server's clock %v off, what is due is due in %v", off, left)
		}
	}
}

func TestBindingsAreReadAsWritten(t *testing.T) {
	for _, want := range []binding{
		{"celery", brokers.Direct, "celery", "celery"}, {"a.b", brokers.Topic, "eu.#", "q 1"}, {"", brokers.Fanout, "", "ü"}, {"x", brokers.Topic, "a b", "q"},
	} {
		if got, ok := parseBinding(want.subject()); !ok || got != want {
			t.Errorf("%+v is read as %+v, %v", want, got, ok)
		}
	}
	for _, bad := range []string{"taskbench.binding.a.b", "taskbench.binding.a.direct.c", "taskbench.binding.=1.=2.=3"} {
		if b, ok := parseBinding(bad); ok {
			t.Errorf("%s is read as %+v", bad, b)
		}
	}
}

func TestStatusOfPulls(t *testing.T) {
	for status, want := range map[string]bool{
		"503 ": true, "409 Consumer Deleted": true, "409 Message Size Exceeds MaxBytes": false, "408 Request Timeout": false, "404 No Messages": false,
		"409 Exceeded MaxWaiting": false, "409 Leadership Change": false, "400 Bad Request": true,
	} {
		if lost(status) != want {
			t.Errorf("%q: lost is %v", status, !want)
		}
	}
}
