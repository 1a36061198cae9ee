package all_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/memory"
	"taskbench/worker/result"
	"taskbench/worker/result/all"
)

func TestOpen(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	b := engine.Broker()
	defer b.Close()
	for url, want := range map[string]string{
		"db+sqlite:///" + filepath.Join(t.TempDir(), "a.db"): "*sql.Backend",
		"sqlite:///" + filepath.Join(t.TempDir(), "b.db"):    "*sql.Backend",
		"memory://":   "*memory.Results",
		"rpc://":      "*rpc.Backend",
		"disabled://": "all.disabled",
		"":            "all.disabled",
	} {
		got, err := all.Open(t.Context(), url, result.Options{Broker: b})
		if err != nil || fmt.Sprintf("%T", got) != want {
			t.Errorf("%s: %T, %v", url, got, err)
			continue
		}
		if err := got.Close(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Nobody listens at port 1: what matters is who is asked, and that no error quotes a password.
func TestOpenWhatIsNotThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for _, url := range []string{
		"redis://u:secret@127.0.0.1:1/0", "rediss://u:secret@127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE", "redis://u:sec@ret@127.0.0.1:1/0",
		"redis://u:secret@127.0.0.1:1/0?ssl_cert_reqs=secret", "redis://u:secret@127.0.0.1:1/database",
		"mongodb://u:secret@127.0.0.1:1/db", "mongodb://u:sec@ret@127.0.0.1:1/db", "mongodb://u:secret@127.0.0.1:x/db",
		"db+postgresql://u:secret@127.0.0.1:1/db", "db+postgresql://u:secret@127.0.0.1:1/db?sslmode=secret", "postgresql+psycopg2://u:sec@ret/%@127.0.0.1:1/db",
		"db+mysql://u:secret@127.0.0.1:1/db", "mysql://u:sec%zzret@127.0.0.1:1/db",
		"db+oracle://u:secret@127.0.0.1:1/db", "secret", "u:secret@host", "cassandra://u:secret@h", "rpc://u:secret@h",
	} {
		b, err := all.Open(ctx, url, result.Options{})
		if err == nil || b != nil {
			t.Errorf("%s: opened", url)
			continue
		}
		if strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: the error tells the password: %v", url, err)
		}
	}
}

func TestDisabled(t *testing.T) {
	b, err := all.Open(t.Context(), "disabled://", result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Store(t.Context(), result.Record{TaskID: "t", State: result.Success}); err != nil {
		t.Error(err)
	}
	if r, err := b.Get(t.Context(), "t"); err != nil || r.State != result.Pending {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := b.Wait(t.Context(), "t"); !errors.Is(err, all.ErrDisabled) {
		t.Errorf("a Wait that could never end: %v", err)
	}
}
