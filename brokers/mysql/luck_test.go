package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

func TestLuck(t *testing.T) {
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:        lucktest.URL("mysql", "/jobs", ""),
		Foreign:    "is it MySQL or MariaDB",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("mysql", "/jobs", "tls=true"), Advice: "check tls", Begin: begin},
		Start:      start,
	})
}

// begin greets as a server that can be asked for encryption, and hears the request.
func begin(c net.Conn) error {
	const able = 0x0200 | 0x8000 | 0x0800 // protocol 4.1, passwords of that, encryption
	g := append([]byte{10}, "8.0.0\x00"...)
	g = append(g, 1, 0, 0, 0)
	g = append(g, "12345678\x00"...)
	g = append(g, able&0xff, able>>8, 45, 2, 0, 0x08, 0, 21)
	g = append(g, make([]byte, 10)...)
	g = append(g, "123456789012\x00mysql_native_password\x00"...)
	if _, err := c.Write(append([]byte{byte(len(g)), 0, 0, 0}, g...)); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4+32))
	return err
}

// people are who the server knows: the one whom the driver's own URL names, and one who may do everything.
const people = `CREATE DATABASE IF NOT EXISTS taskbench;
CREATE USER IF NOT EXISTS taskbench@'%';
GRANT ALL ON taskbench.* TO taskbench@'%';
CREATE USER IF NOT EXISTS admin@'%';
GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;
`

func start(t *testing.T, s *lucktest.Subject) {
	server := servertest.LaunchAs(t, Driver, s.Variant, func(c *brokers.Command, dir string) {
		file := filepath.Join(dir, "people.sql")
		if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, []byte(people), 0o644)); err != nil {
			t.Fatal(err)
		}
		c.Args = append(c.Args, "--init-file="+file)
	})
	c, err := configure(strings.Replace(server.URL, "taskbench@", "admin@", 1))
	if err != nil {
		t.Fatal(err)
	}
	db := connect(c)
	t.Cleanup(func() { _ = db.Close() })
	do := func(ctx context.Context, statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	as := func(user string) string {
		return strings.Replace(server.URL, "mysql://taskbench@", "mysql://"+url.UserPassword(user, lucktest.Secret).String()+"@", 1)
	}
	s.Server = server.URL
	s.Apart = func(ahead time.Duration) string {
		return servertest.LaunchAs(t, Driver, s.Variant, func(c *brokers.Command, _ string) {
			c.Env = append(c.Env, servertest.Apart(t, ahead)...)
		}).URL
	}
	user := func(ctx context.Context, name, with string) {
		do(ctx, fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s' %s", name, lucktest.Secret, with), "GRANT ALL ON taskbench.* TO "+name+"@'%'")
	}
	opening := func(ctx context.Context, at string) error {
		b, err := Driver.Open(ctx, at, s.Variant)
		if err == nil {
			_ = b.Close()
		}
		return err
	}
	s.Refusals = map[string]lucktest.Refusal{
		"password": {Advice: "correct user and password", Meet: func(ctx context.Context) error { return opening(ctx, as("nobody")) }},
		"rights": {Advice: "GRANT the user", Meet: func(ctx context.Context) error {
			do(ctx, "CREATE USER reader@'%' IDENTIFIED BY '"+lucktest.Secret+"'", "GRANT SELECT ON taskbench.* TO reader@'%'", "GRANT ALL ON taskbench.taskbench_consumer TO reader@'%'")
			b, err := Driver.Open(ctx, as("reader"), s.Variant)
			if err != nil {
				return err
			}
			defer func() { _ = b.Close() }()
			return b.Publish(ctx, brokers.Message{Queue: "q"})
		}},
		"shape": {Advice: "another shape; move it away", Meet: func(ctx context.Context) error {
			do(ctx, "CREATE DATABASE odd", "GRANT ALL ON odd.* TO taskbench@'%'", "CREATE TABLE odd.taskbench_message (id INT)")
			defer do(ctx, "DROP DATABASE odd")
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.Path = "/odd"
			return opening(ctx, u.String())
		}},
		"replica": {Advice: "name the primary", Meet: func(ctx context.Context) error {
			user(ctx, "plain", "")
			b, err := Driver.Open(ctx, as("plain"), s.Variant)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			do(ctx, "SET GLOBAL read_only = 1")
			defer do(ctx, "SET GLOBAL read_only = 0")
			return b.Publish(ctx, brokers.Message{Queue: "q"})
		}},
		"disk": {Advice: "free space", Meet: func(ctx context.Context) error { return full(ctx, t, db, server.URL) }},
		"connections": {Advice: "start fewer workers", Meet: func(ctx context.Context) error {
			user(ctx, "few", "WITH MAX_USER_CONNECTIONS 1")
			c, err := configure(as("few"))
			if err != nil {
				t.Fatal(err)
			}
			one := connect(c)
			defer func() { _ = one.Close() }()
			if err := one.PingContext(ctx); err != nil {
				t.Fatal(err)
			}
			return opening(ctx, as("few"))
		}},
	}
}

// full has the server say what it says of a table that can grow no more.
func full(ctx context.Context, t *testing.T, db *sql.DB, at string) error {
	t.Helper()
	b, err := Driver.Open(ctx, at, Driver.Variants[0])
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if _, err := db.ExecContext(ctx, `CREATE TRIGGER full_disk BEFORE INSERT ON taskbench_message FOR EACH ROW
		SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := db.ExecContext(ctx, "DROP TRIGGER full_disk"); err != nil {
			t.Error(err)
		}
	}()
	return b.Publish(ctx, brokers.Message{Queue: "q"})
}
