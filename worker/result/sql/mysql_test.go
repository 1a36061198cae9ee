package sql

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

// A program may have the driver print, for uses of its own.
func TestTheDriverIsSilentForUsAlone(t *testing.T) {
	if _, silent := mysql.NewConfig().Logger.(*mysql.NopLogger); silent {
		t.Error("the driver prints nothing, whoever uses it")
	}
}

// Whoever has got the URL wrong is told what to do about it, and nobody the password.
func TestMariaDBRefuses(t *testing.T) {
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	addr := s.URL[strings.Index(s.URL, "@")+1:]
	dead := fmt.Sprintf("127.0.0.1:%d/test", servertest.FreePort(t))
	for url, want := range map[string]string{
		"mysql://tester:hunter2@" + addr:                        "correct them in the URL",
		"mysql://stranger:hunter2@" + addr:                      "correct them in the URL",
		"mysql://reader:secret@" + addr:                         "GRANT SELECT",
		strings.TrimSuffix(s.URL, "test") + "nothing":           "GRANT SELECT", // whether it is there is told to nobody
		"mysql://tester:hunter2@" + dead:                        "start the server",
		"mysql://tester:hunter2@" + mute.Addr().String() + "/x": "what listens there",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		b, err := Open(ctx, url, result.Options{})
		cancel()
		if err == nil {
			t.Errorf("%s: opened", url)
			_ = b.Close()
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "hunter2") || strings.Contains(text, "secret") {
			t.Errorf("%s: %v; want it to say %q", url, err, want)
		}
	}
}

// A server of MySQL's can be told to take encrypted connections alone.
func TestEncryptionIsAskedFor(t *testing.T) {
	err := explainMySQL(&mysql.MySQLError{Number: 3159, Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON."})
	if !strings.Contains(err.Error(), "add tls=true to the URL") {
		t.Error(err)
	}
}

// Where Celery has made the tables on a MySQL, or an older program of ours, rows number themselves; Celery on MariaDB
// numbers them from a sequence. Either is written to.
func TestMariaDBTablesOfEitherKind(t *testing.T) {
	servertest.Needed(t)
	url := servertest.MariaDB(t).URL
	for name, tables := range map[string][]string{"numbered by themselves": mySQL.schema, "numbered from a sequence": mariaDB.schema} {
		t.Run(name, func(t *testing.T) {
			_, source, err := locate(url)
			if err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("mysql", source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(1) // for USE
			var version string
			if err := db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(version, "MariaDB") && len(tables) != len(mySQL.schema) {
				return // MySQL has no sequences
			}
			for _, statement := range append([]string{"DROP DATABASE test", "CREATE DATABASE test", "USE test"}, tables...) {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			b, err := Open(t.Context(), url, result.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for _, id := range []string{"a", "b", "A"} {
				if err := b.Store(t.Context(), result.Record{TaskID: id, State: result.Success, Value: []byte(`"` + id + `"`)}); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := b.Get(t.Context(), "a"); err != nil || string(r.Value) != `"a"` {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// Two transactions that write the same results in another order wait for each other; the server ends one of them.
func TestMariaDBDeadlocksAreTriedAgain(t *testing.T) {
	servertest.Needed(t)
	b, err := Open(t.Context(), servertest.MariaDB(t).URL, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = fmt.Sprint("task-", i)
	}
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			for i := range 30 {
				for k := range ids {
					if k%8 != (i+w)%8 {
						continue
					}
					if err := b.Store(t.Context(), result.Record{TaskID: ids[(k*7+w)%40], State: result.Started}); err != nil {
						t.Error(err)
						return
					}
				}
				if err := b.Forget(t.Context(), ids[w], ids[39-i%20], ids[(w*11+i)%40]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
}
