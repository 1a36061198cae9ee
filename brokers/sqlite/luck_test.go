package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
)

func TestLuck(t *testing.T) {
	const none = "a library has no server"
	dir := t.TempDir()
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: variants[0],
		Server: Driver.Server.URL(dir),
		Refusals: map[string]lucktest.Refusal{
			"rights": {Advice: "who may write there", Meet: func(ctx context.Context) error {
				b := openAt(t, Driver.Server.URL(t.TempDir()), variants[0])
				// Root may write everywhere; what SQLite says of a file that cannot be written is this.
				if _, err := b.out.conn.ExecContext(ctx, "PRAGMA query_only = 1"); err != nil {
					t.Fatal(err)
				}
				return b.Publish(ctx, brokers.Message{Queue: "q"})
			}},
			"shape": {Advice: "name another file", Meet: func(ctx context.Context) error {
				file := filepath.Join(t.TempDir(), "other.db")
				db, err := sql.Open("sqlite", file)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = db.Close() }()
				if _, err := db.ExecContext(ctx, "CREATE TABLE message (id INTEGER PRIMARY KEY, subject TEXT)"); err != nil {
					t.Fatal(err)
				}
				_, err = Driver.Open(ctx, "sqlite://"+file, variants[0])
				return err
			}},
		},
		Elsewhere: map[string]string{
			"nobody listens": none, "another server": "TestOpenFailures/no database", "silent server": "TestLockedDatabase", "certificates": none,
			"password": none, "replica": none, "disk": "TestFullDisk", "connections": none, "clocks apart": "client and server are one process",
		},
	})
}
