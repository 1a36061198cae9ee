package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
)

// hold starts a transaction of somebody else's that keeps the database locked until release is called.
func hold(t *testing.T, b *broker) (release func()) {
	t.Helper()
	conn, err := b.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLockedDatabase(t *testing.T) {
	url := Driver.Server.URL(t.TempDir())
	b, foreign := openAt(t, url, variants[0]), openAt(t, url, variants[0])
	b.out.patience = 300 * time.Millisecond
	release := hold(t, foreign)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := b.Publish(ctx, brokers.Message{Queue: "q", Body: []byte("given up")})
	if wrong := lucktest.Judge(Driver, err, "keeps "+b.file+" locked"); wrong != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish that gave up: %v, %v, want an end of its time that names the lock", err, wrong)
	}
	began := time.Now()
	err = b.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("without a deadline")})
	if took := time.Since(began); !brokers.Definite(err) || !strings.Contains(err.Error(), "locked") || took > 2*b.out.patience {
		t.Errorf("publish without a deadline: %v after %v, want a Definite error after %v", err, took, b.out.patience)
	}
	stored := make(chan error, 1)
	go func() { stored <- b.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("patient")}) }()
	release()
	if err := <-stored; err != nil {
		t.Errorf("publish that outlasted the lock: %v", err)
	}
	if ready, _ := depth(t, b, "q"); ready != 1 {
		t.Errorf("%d messages are stored, want only the one that was confirmed", ready)
	}
}

func TestFullDisk(t *testing.T) {
	b := openAt(t, Driver.Server.URL(t.TempDir()), variants[0])
	// A database that may not grow fails in the same way as a disk that is full.
	limit := func(pages string) {
		t.Helper()
		if _, err := b.out.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("60")
	m := brokers.Message{Queue: "q", Body: make([]byte, 10<<10)}
	confirmed := 0
	var err error
	for ; err == nil && confirmed < 100; confirmed++ {
		err = b.Publish(t.Context(), m)
	}
	confirmed--
	if err := lucktest.Judge(Driver, err, "free space in "+filepath.Dir(b.file)); err != nil {
		t.Fatalf("publish to a full disk: %v", err)
	}
	for i, err := range b.PublishBatch(t.Context(), []brokers.Message{m, m, m}) {
		if !brokers.Definite(err) {
			t.Errorf("message %d of a batch for a full disk: %v, want a Definite error", i, err)
		}
	}
	if ready, _ := depth(t, b, "q"); ready != confirmed || confirmed == 0 {
		t.Errorf("%d messages are stored, and %d were confirmed", ready, confirmed)
	}
	limit("1000000")
	if err := b.Publish(t.Context(), m); err != nil {
		t.Errorf("publish after room was made: %v", err)
	}
}

func TestAbandonedPublishesAreNotStored(t *testing.T) {
	url := Driver.Server.URL(t.TempDir())
	b, foreign := openAt(t, url, variants[0]), openAt(t, url, variants[0])
	release := hold(t, foreign)
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make(chan error)
	const n = 20
	for range n {
		go func() { outcomes <- b.Publish(ctx, brokers.Message{Queue: "q"}) }()
	}
	cancel()
	for range n {
		if err := <-outcomes; !brokers.Definite(err) {
			t.Errorf("publish that was given up while the database was locked: %v, want a Definite error", err)
		}
	}
	release()
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil { // whatever was before it is through now
		t.Fatal(err)
	}
	if ready, _ := depth(t, b, "q"); ready != 1 {
		t.Errorf("%d messages are stored, want the last one only", ready)
	}
}

func TestForeignRowIsDeliveredForRejection(t *testing.T) {
	b := openAt(t, Driver.Server.URL(t.TempDir()), variants[0])
	if _, err := b.db.Exec(`INSERT INTO message (queue, priority, envelope) VALUES ('q', 0, 'by hand')`); err != nil {
		t.Fatal(err)
	}
	d := receive(t, consume(t, b, "q", 1))
	if m := d.Message(); string(m.Body) != "by hand" || m.ContentType != "" {
		t.Errorf("delivered as %+v, want the bytes as they are", m)
	}
	if err := d.Nack(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if ready, _ := depth(t, b, brokers.DeadLetterQueue("q")); ready != 1 {
		t.Errorf("%d messages are kept aside, want 1", ready)
	}
}

func TestOpenFailures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "sqlite://" + p
	}
	newer := openAt(t, "sqlite://"+filepath.Join(dir, "newer.db"), variants[0])
	if _, err := newer.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, says string }{
		{"no path", "sqlite://", "want sqlite:///path"},
		{"relative", "sqlite://queue.db", "want sqlite:///path"},
		{"foreign scheme", "redis://127.0.0.1:1", "want sqlite:///path"},
		{"no such directory", "sqlite://" + filepath.Join(dir, "none", "q.db"), "check that " + filepath.Join(dir, "none") + " exists"},
		{"no database", write("text.db", strings.Repeat("this is no database. ", 100)), "move it away"},
		{"newer tables", "sqlite://" + newer.file, "version 99"},
	} {
		_, err := Driver.Open(t.Context(), c.url, variants[0])
		if err := lucktest.Judge(Driver, err, c.says); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPathsOfAllKinds(t *testing.T) {
	for _, name := range []string{"with space", "per%20cent", "question?mark", "größe", "ha#sh", "a&b=c"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		openAt(t, Driver.Server.URL(dir), variants[0])
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Errorf("the database is not where it should be: %v", err)
		}
	}
}

func TestSettingsAreAsTheVariantSays(t *testing.T) {
	for _, v := range leases() {
		b := openAt(t, Driver.Server.URL(t.TempDir()), v)
		want := map[string]string{"NORMAL": "1", "FULL": "2"}[v.Settings["synchronous"]]
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": want, "wal_autocheckpoint": checkpoint} {
			var got string
			if err := b.out.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, %v; want %q", v.Name, pragma, got, err, want)
			}
		}
	}
}
