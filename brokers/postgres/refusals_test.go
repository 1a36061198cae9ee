package postgres

import (
	"errors"
	"net"
	"net/url"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// Each refusal names the broker, what was being done, and what to do; none shows the password.
func TestRefusalsSayWhatToDo(t *testing.T) {
	at, conn := launch(t)
	lease := Driver.Variants[0]
	openAt(t, at, lease) // makes the tables in schema public
	kombu, err := Driver.Variant(kombuVariant)
	if err != nil {
		t.Fatal(err)
	}
	var hba string
	if err := conn.QueryRow(t.Context(), `SHOW hba_file`).Scan(&hba); err != nil {
		t.Fatal(err)
	}
	do(t, conn,
		`CREATE ROLE guarded LOGIN PASSWORD 'another'`, `CREATE ROLE plain LOGIN`, `CREATE ROLE reader LOGIN`, `CREATE ROLE few LOGIN CONNECTION LIMIT 1`,
		`ALTER ROLE reader SET default_transaction_read_only = on`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO few`,
		`CREATE SCHEMA odd`, `GRANT USAGE ON SCHEMA odd TO PUBLIC`,
		`CREATE TABLE odd.taskbench_consumer (id int)`, `CREATE TABLE odd.taskbench_message (id int)`, `CREATE TABLE odd.taskbench_delayed (id int)`,
		`CREATE TABLE odd.kombu_message (id int)`,
		`CREATE SCHEMA near`, `SET search_path TO near`, leaseLayout.tables, `ALTER TABLE taskbench_message ALTER envelope TYPE text USING ''`, `RESET search_path`,
		`CREATE SCHEMA closed`, `GRANT USAGE ON SCHEMA closed TO PUBLIC`,
		`COPY (VALUES ('host all guarded all scram-sha-256'), ('host all all all trust')) TO '`+hba+`'`, `SELECT pg_reload_conf()`,
	)
	as := func(user string, parameters ...string) string {
		return with(t, at, func(u *url.URL, q url.Values) {
			u.User = url.UserPassword(user, lucktest.Secret)
			for i := 0; i < len(parameters); i += 2 {
				q.Set(parameters[i], parameters[i+1])
			}
		})
	}
	opensAs := func(v brokers.Variant, url string) func() error {
		return func() error {
			b, err := Driver.Open(t.Context(), url, v)
			if err == nil {
				err = errors.Join(errors.New("it opens"), b.Close())
			}
			return err
		}
	}
	opens := func(url string) func() error { return opensAs(lease, url) }
	for _, c := range []struct {
		name, want string
		do         func() error
	}{
		{"password", "check user and password", opens(as("guarded"))},
		{"user", "check user and password", opens(as("nobody-knows"))},
		{"database", "create the database", opens(with(t, as("plain"), func(u *url.URL, _ url.Values) { u.Path = "/none" }))},
		{"no right to make tables", "CREATE on the schema", opens(as("plain", "search_path", "closed"))},
		{"replica", "use the URL of the primary", opens(as("reader"))},
		{"other tables", "has another shape", opens(as("plain", "search_path", "odd"))},
		{"other tables, of kombu's names", "has another shape", opensAs(kombu, as("taskbench", "search_path", "odd"))},
		{"a column of another type", "has another shape", opens(as("taskbench", "search_path", "near"))},
		{"no right to write", "GRANT SELECT, INSERT", func() error {
			return openAt(t, as("plain"), lease).Publish(t.Context(), letter("q", "1"))
		}},
		{"connections", "raise max_connections", func() error {
			_, err := openAt(t, as("few"), lease).Consume(t.Context(), []string{"q"}, 1)
			return err
		}},
		{"encryption", "check sslmode", opens(as("plain", "sslmode", "require"))},
		{"other server", "is it a PostgreSQL server", opens(with(t, as("plain"), func(u *url.URL, _ url.Values) { u.Host = impostor(t) }))},
	} {
		err := c.do()
		if err := lucktest.Judge(Driver, err, c.want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// impostor answers as Redis does.
func impostor(t *testing.T) string {
	t.Helper()
	return servertest.Serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		_, _ = c.Write([]byte("-ERR unknown command\r\n"))
	})
}

// One message that cannot be stored must not take the others of its batch with it.
func TestBatchWithUnstorable(t *testing.T) {
	servertest.Needed(t)
	at, conn := launch(t)
	b := openAt(t, at, Driver.Variants[0])
	errs := b.PublishBatch(t.Context(), []brokers.Message{letter("q", "1"), letter("q\x00", "2"), letter("\xff", "3"), letter("q", "4")})
	for i, err := range errs {
		if bad := i == 1 || i == 2; bad != (err != nil) || bad && !brokers.Definite(err) {
			t.Errorf("message %d: %v", i+1, err)
		}
	}
	if n := count(t, conn, `SELECT count(*)::int FROM taskbench_message`); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}
