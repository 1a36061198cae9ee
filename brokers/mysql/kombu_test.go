package mysql

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// On MariaDB SQLAlchemy takes its numbers from sequences, and on MySQL from columns that count; whoever made the tables,
// and in whatever character set, both sides go on in the same way.
func TestKombuTablesOfEitherKind(t *testing.T) {
	t.Parallel()
	for name, tables := range map[string]string{
		"ours": "",
		"sequences": `CREATE SEQUENCE queue_id_sequence; CREATE SEQUENCE message_id_sequence;
CREATE TABLE kombu_queue (id INTEGER NOT NULL, name VARCHAR(200), PRIMARY KEY (id), UNIQUE (name)) CHARSET latin1;
CREATE TABLE kombu_message (id INTEGER NOT NULL, visible BOOL, timestamp DATETIME, payload TEXT NOT NULL, version SMALLINT NOT NULL,
	queue_id INTEGER, PRIMARY KEY (id), FOREIGN KEY (queue_id) REFERENCES kombu_queue (id)) CHARSET latin1`,
		"counting": `CREATE TABLE kombu_queue (id INTEGER NOT NULL AUTO_INCREMENT, name VARCHAR(200), PRIMARY KEY (id), UNIQUE (name)) CHARSET latin1;
CREATE TABLE kombu_message (id INTEGER NOT NULL AUTO_INCREMENT, visible BOOL, timestamp DATETIME, payload TEXT NOT NULL, version SMALLINT NOT NULL,
	queue_id INTEGER, PRIMARY KEY (id), FOREIGN KEY (queue_id) REFERENCES kombu_queue (id)) CHARSET latin1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, db := launchAs(t, kombuVariant)
			sequences := name == "sequences"
			if mariaDB(t, db) {
				sequences = name != "counting"
			} else if sequences {
				return // MySQL has none
			}
			do := func(query string) {
				t.Helper()
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			if tables != "" {
				do(tables)
			}
			b := open()
			m := brokers.Message{Queue: "q", Headers: map[string]any{"argsrepr": "('żółć 😀',)"}, Body: []byte("ü\x00")}
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q", CorrelationID: "later"}, time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			// As Celery publishes, to the same queue.
			columns, values := "visible, payload, version, queue_id", `1, '{"body": "W10=", "headers": {"task": "t"}, "properties": {"body_encoding": "base64", "correlation_id": "theirs"}}', 1, id`
			if sequences {
				columns, values = "id, "+columns, "NEXT VALUE FOR message_id_sequence, "+values
			}
			do("INSERT INTO kombu_message (" + columns + ") SELECT " + values + " FROM kombu_queue WHERE name = 'q'")
			c := consume(t, b, 10, "q")
			first := servertest.Next(t, c, time.Second)
			if got := first.Message(); got.Headers["argsrepr"] != m.Headers["argsrepr"] || string(got.Body) != string(m.Body) || first.Redelivered() {
				t.Errorf("got %+v", got)
			}
			if got := servertest.Next(t, c, time.Second).Message(); got.CorrelationID != "theirs" || string(got.Body) != "[]" || got.Headers["task"] != "t" {
				t.Errorf("got %+v", got)
			}
			if got := servertest.Next(t, c, 3*time.Second).Message(); got.CorrelationID != "later" {
				t.Errorf("got %+v", got)
			}
			large := brokers.Message{Queue: "q", Body: make([]byte, 60<<10)} // and a third more in its envelope
			if err := b.Publish(t.Context(), large); (err == nil) != (name == "ours") || err != nil && !strings.Contains(err.Error(), "larger than 65535") {
				t.Errorf("a message of 80 KiB: %v", err)
			}
		})
	}
}

// mariaDB tells whether the server is MariaDB, and not MySQL.
func mariaDB(t *testing.T, db *sql.DB) bool {
	t.Helper()
	var version string
	if err := db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(version, "MariaDB")
}

// rowOf is the one row of kombu_message.
func rowOf(t *testing.T, db *sql.DB) (visible bool, fetched sql.NullString, version int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT visible, timestamp, version FROM kombu_message").Scan(&visible, &fetched, &version); err != nil {
		t.Fatal(err)
	}
	return visible, fetched, version
}

// A row looks at each step as kombu leaves it, until it is acknowledged and goes.
func TestKombuRows(t *testing.T) {
	t.Parallel()
	open, db := launchAs(t, kombuVariant)
	b := open()
	publish(t, b, "q", "1")
	if visible, fetched, version := rowOf(t, db); !visible || fetched.Valid || version != 1 {
		t.Errorf("published as visible %v, timestamp %v, version %d", visible, fetched, version)
	}
	c := consume(t, b, 10, "q")
	d := servertest.Next(t, c, time.Second)
	if visible, fetched, version := rowOf(t, db); visible || !fetched.Valid || version != 2 {
		t.Errorf("fetched it is visible %v, timestamp %v, version %d", visible, fetched, version)
	}
	if err := d.Nack(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if d = servertest.Next(t, c, time.Second); !d.Redelivered() {
		t.Error("what was given back does not say so")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if visible, fetched, version := rowOf(t, db); !visible || fetched.Valid || version != 3 {
		t.Errorf("after the close it is visible %v, timestamp %v, version %d", visible, fetched, version)
	}
	b = open()
	if err := servertest.Next(t, consume(t, b, 10, "q"), time.Second).Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM kombu_message").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// Tables of another shape, and a user who may only look, are refused with what to do.
func TestKombuRefuses(t *testing.T) {
	t.Parallel()
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	c, err := configure(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Driver.Variant(kombuVariant)
	if err != nil {
		t.Fatal(err)
	}
	db := connect(c)
	defer db.Close()
	for _, try := range []struct{ url, before, want string }{
		{strings.Replace(s.URL, "tester", "reader", 1), "SELECT 1", "GRANT the user"},
		{s.URL, "CREATE TABLE kombu_message (id INT)", "another shape"},
	} {
		if _, err := db.ExecContext(t.Context(), try.before); err != nil {
			t.Fatal(err)
		}
		if _, err := Driver.Open(t.Context(), try.url, v); !brokers.Definite(err) || !strings.Contains(err.Error(), try.want) {
			t.Errorf("open gives %v, want a Definite error that says %q", err, try.want)
		}
	}
}
