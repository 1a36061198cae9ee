package sql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker/result"
	"taskbench/worker/result/pickle"
	"taskbench/worker/result/resulttest"
)

var absent = []string{"children", "group", "parent"}

func TestContractOnSQLite(t *testing.T) {
	url := "db+sqlite:///" + filepath.Join(t.TempDir(), "results of celery.db")
	resulttest.Run(t, resulttest.Subject{Absent: absent, Open: func(ctx context.Context, o result.Options) (result.Backend, error) {
		return Open(ctx, url, o)
	}})
}

func TestContractOnPostgreSQL(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Postgres(t)
	url := strings.Replace(s.URL, "postgresql", "db+postgresql+psycopg2", 1)
	resulttest.Run(t, resulttest.Subject{
		Absent: absent, Kill: s.Kill, Up: s.Up,
		Open: func(ctx context.Context, o result.Options) (result.Backend, error) { return Open(ctx, url, o) },
	})
}

func TestContractOnMariaDB(t *testing.T) {
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	url := strings.Replace(s.URL, "mysql", "db+mysql+pymysql", 1) + "?charset=utf8mb4"
	resulttest.Run(t, resulttest.Subject{
		Absent: absent, Kill: s.Kill, Up: s.Up,
		Open: func(ctx context.Context, o result.Options) (result.Backend, error) { return Open(ctx, url, o) },
	})
}

// What Celery 5.2 and 5.6 left in SQLite.
func TestReadsCelerysRows(t *testing.T) {
	b, err := Open(t.Context(), "sqlite:///"+filepath.Join(t.TempDir(), "r.db"), result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	insert := func(id, status, pickled, done string) {
		t.Helper()
		data, err := hex.DecodeString(pickled)
		if err == nil {
			_, err = b.db.ExecContext(t.Context(), "INSERT INTO celery_taskmeta (task_id, status, result, date_done) VALUES (?, ?, ?, ?)", id, status, data, done)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const failure = "80059549000000000000007d94288c086578635f74797065948c0a56616c75654572726f72948c0b6578635f6d657373616765948c01789485948c0a6578635f6d6f64756c65948c086275696c74696e7394752e"
	insert("five", "SUCCESS", "80054b052e", "2026-11-22 01:06:56.221218")
	insert("failed", "FAILURE", failure, "2026-11-22 01:06:56.280588")
	insert("object", "SUCCESS", "636f730a73797374656d0a2e", "2026-11-22 01:06:56.280588")
	r, err := b.Get(t.Context(), "five")
	if want := time.Date(2026, 11, 22, 1, 6, 56, 221218000, time.UTC); err != nil || string(r.Value) != "5" || !r.Done.Equal(want) {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = b.Wait(t.Context(), "failed")
	if err != nil || r.State != result.Failure || r.Exception.Error() != "ValueError: x" || r.Exception.Module != "builtins" {
		t.Errorf("%+v, %v", r, err)
	}
	for name, ask := range map[string]func(context.Context, string) (result.Record, error){"Get": b.Get, "Wait": b.Wait} {
		if r, err := ask(t.Context(), "object"); !errors.Is(err, pickle.ErrUnsafe) {
			t.Errorf("%s of an object: %+v, %v", name, r, err)
		}
	}
	// Our own failure is the same dictionary.
	if err := b.Store(t.Context(), result.Record{TaskID: "ours", State: result.Failure, Exception: result.NewException(result.Builtins, "ValueError", "x")}); err != nil {
		t.Fatal(err)
	}
	var ours []byte
	if err := b.db.QueryRowContext(t.Context(), "SELECT result FROM celery_taskmeta WHERE task_id = 'ours'").Scan(&ours); err != nil {
		t.Fatal(err)
	}
	data, _ := hex.DecodeString(failure)
	got, errGot := pickle.Unmarshal(ours)
	want, errWant := pickle.Unmarshal(data)
	if errGot != nil || errWant != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("%#v (%v), want %#v (%v)", got, errGot, want, errWant)
	}
}

// A table of claims that could not be made when the backend was opened is made once it can be.
func TestTheTableOfClaimsIsMadeLater(t *testing.T) {
	url := "sqlite:///" + filepath.Join(t.TempDir(), "results.db")
	other, err := Open(t.Context(), url, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, statement := range []string{"DROP TABLE taskbench_claims", "CREATE INDEX taskbench_claims ON celery_taskmeta (status)"} {
		if _, err := other.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Open(t.Context(), url, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Claim(t.Context(), "id", "first", time.Minute); err == nil || !strings.Contains(err.Error(), "make the table taskbench_claims") {
		t.Errorf("without the table: %v", err)
	}
	if err := b.Cleanup(t.Context()); err != nil {
		t.Errorf("clean up without the table: %v", err)
	}
	if _, err := other.db.ExecContext(t.Context(), "DROP INDEX taskbench_claims"); err != nil {
		t.Fatal(err)
	}
	if wait, err := b.Claim(t.Context(), "id", "first", time.Minute); err != nil || wait != 0 {
		t.Errorf("once it can be made: wait %v, %v", wait, err)
	}
}

func TestLocate(t *testing.T) {
	for in, want := range map[string]string{
		"db+sqlite:///results.db":       "file:results.db?",
		"sqlite:////var/lib/a b.db":     "file:%2Fvar%2Flib%2Fa%20b.db?",
		"db+mysql://u:p%40w@h/celery":   "u:p@w@tcp(h:3306)/celery?",
		"mysql://u@h/c?charset=utf8mb4": "u@tcp(h:3306)/c?charset=utf8mb4&",
		"mysql+pymysql://u@h:1/celery":  "u@tcp(h:1)/celery?",
		"postgres+psycopg://u:p@h:5/db": "postgresql://u:p@h:5/db",
	} {
		if _, source, err := locate(in); err != nil || !strings.HasPrefix(source, want) {
			t.Errorf("%s: %s, %v", in, source, err)
		}
	}
	for _, bad := range []string{"oracle://u:secret@h/db", "db+postgresql://u:sec@ret@h/%zz", "sqlite://secret/x", "sqlite:///", "", "mysql://u:secret@h/", "mysql://u:secret@h/db?timeout=secret"} {
		if _, _, err := locate(bad); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The status must be assigned last, or a success would not stay.
func TestMySQLKeepsASuccess(t *testing.T) {
	got := mySQL.writing("celery_taskmeta", "task_id", "", taskColumns)
	if !strings.HasSuffix(got, "queue = IF(status <=> 'SUCCESS', queue, VALUES(queue)), status = IF(status <=> 'SUCCESS', status, VALUES(status))") {
		t.Error(got)
	}
	if got := mySQL.writing("celery_tasksetmeta", "taskset_id", "", []string{"taskset_id", "result"}); got != "INSERT INTO celery_tasksetmeta (taskset_id, result) VALUES (?, ?) ON DUPLICATE KEY UPDATE result = VALUES(result)" {
		t.Error(got)
	}
}
