package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := lab.Tail(path, 3); !strings.HasPrefix(got, "(no log: ") {
		t.Errorf("of no file: %q", got)
	}
	long := strings.Repeat("x", 100<<10)
	for text, want := range map[string]string{
		"":                          "(the log is empty)",
		"one\n":                     "one",
		"one\ntwo\nthree\nfour\n\n": "two\nthree\nfour",
		long + "\nlast\n":           strings.Repeat("x", 32<<10-6) + "\nlast",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lab.Tail(path, 3); got != want {
			t.Errorf("of %.20q (%d bytes): %.20q (%d bytes)", text, len(text), got, len(got))
		}
	}
}

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://127.0.0.1:6379/0":               "redis://127.0.0.1:6379/0",
		"amqp://guest:geheim@host:5672/v":        "amqp://guest:xxxxx@host:5672/v",
		"redis://:geheim@host":                   "redis://:xxxxx@host",
		"pg://host/db?sslpassword=geheim&mode=1": "pg://host/db?mode=1&sslpassword=xxxxx",
		"\x00geheim":                             "(a URL that cannot be parsed)",
		"sentinel://:geheim@a:1;sentinel://:geheim@b:2/0?sentinel_password=geheim": "sentinel://:xxxxx@a:1;sentinel://:xxxxx@b:2/0?sentinel_password=xxxxx",
	} {
		if got := lab.Redact(raw); got != want {
			t.Errorf("redact %q: %q, want %q", raw, got, want)
		}
	}
	inner := errors.New("dial redis://:geheim@host: geheim is wrong")
	err := lab.RedactError(fmt.Errorf("open: %w", inner), "redis://:geheim@host")
	if strings.Contains(err.Error(), "geheim") || !errors.Is(err, inner) {
		t.Errorf("redacted error: %v", err)
	}
	if err := lab.RedactError(inner, "sentinel://a:1;sentinel://:geheim@b:2/0"); strings.Contains(err.Error(), "geheim") {
		t.Errorf("redacted error: %v", err)
	}
	if lab.RedactError(nil, "x") != nil {
		t.Error("nil became an error")
	}
}

func TestAwait(t *testing.T) {
	broken := errors.New("not yet")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		spec := brokers.ServerSpec{Ready: func(context.Context, string) (string, error) {
			if time.Since(began) < 3*time.Second {
				return "", broken
			}
			return "7", nil
		}}
		if v, err := lab.Await(t.Context(), spec, "u", 0, nil); v != "7" || err != nil {
			t.Errorf("ready: %q, %v", v, err)
		}
		if d := time.Since(began); d > 3100*time.Millisecond {
			t.Errorf("noticed after %v", d)
		}
		began = time.Now()
		if _, err := lab.Await(t.Context(), spec, "u", time.Second, nil); !errors.Is(err, lab.ErrNotReady) || !errors.Is(err, broken) {
			t.Errorf("out of patience: %v", err)
		}
		gone := make(chan struct{})
		time.AfterFunc(500*time.Millisecond, func() { close(gone) })
		began = time.Now()
		if _, err := lab.Await(t.Context(), spec, "u", time.Minute, gone); !errors.Is(err, lab.ErrEnded) || time.Since(began) > time.Second {
			t.Errorf("ended: %v after %v", err, time.Since(began))
		}
		hangs := brokers.ServerSpec{Ready: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}
		began = time.Now()
		if _, err := lab.Await(t.Context(), hangs, "u", 12*time.Second, nil); !errors.Is(err, lab.ErrNotReady) || time.Since(began) > 13*time.Second {
			t.Errorf("a server that hangs: %v after %v", err, time.Since(began))
		}
	})
}

func TestTurn(t *testing.T) {
	turn := lab.NewTurn()
	if err := turn.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := turn.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("taken twice: %v", err)
	}
	turn.Give()
	if err := turn.Take(t.Context()); err != nil {
		t.Error(err)
	}
}
