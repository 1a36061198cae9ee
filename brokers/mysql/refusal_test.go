package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// Whoever cannot open it is told what to do about it, at once and for certain, and nobody the password.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	addr := s.URL[strings.Index(s.URL, "@")+1:]
	for url, want := range map[string]string{
		"mysql://tester:hunter2@" + addr:                        "correct user and password",
		"mysql://reader:secret@" + addr:                         "GRANT the user",
		"mysql://tester:secret@" + addr + "s":                   "GRANT the user", // whether it is there is told to nobody
		"mysql://tester:hunter2@127.0.0.1:1/x":                  "is the server up",
		"mysql://tester:hunter2@" + mute.Addr().String() + "/x": "no answer in time",
		"amqp://tester:hunter2@h/x":                             "the scheme is another",
		"mysql://tester:hun@ter2@h/x%":                          "percent-encoded",
		"mysql://tester:hunter2@h/":                             "a database",
		"mysql://tester:hunter2@h/x?timeout=hunter2":            "none of the driver's",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		b, err := Driver.Open(ctx, url, Driver.Variants[0])
		cancel()
		if err == nil {
			t.Errorf("%s: opened", url)
			_ = b.Close()
			continue
		}
		text := err.Error()
		if !brokers.Definite(err) || !strings.Contains(text, want) || strings.Contains(text, "hun") || strings.Contains(text, "secret") {
			t.Errorf("%s: %v (definite %v); want it to say %q", url, err, brokers.Definite(err), want)
		}
	}
}

// A server of MySQL's can be told to take encrypted connections alone, as those that others run for you often are.
func TestEncryptionIsAskedFor(t *testing.T) {
	refused := &mysql.MySQLError{Number: 3159, Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON."}
	if err := judge(refused); !brokers.Definite(err) || !strings.Contains(err.Error(), "add tls=true to the URL") {
		t.Errorf("refused for want of encryption: %v", err)
	}
}

func TestTablesOfAnotherShape(t *testing.T) {
	t.Parallel()
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	c, err := configure(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	db := connect(c)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE taskbench_message (id INT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Driver.Open(t.Context(), s.URL, Driver.Variants[0]); err == nil || !strings.Contains(err.Error(), "another shape") {
		t.Errorf("opened with a table of another shape: %v", err)
	}
}

// What was refused, or never sent, is certain; what may have been done is not.
func TestJudge(t *testing.T) {
	refused := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "no"} }
	for _, c := range []struct {
		err      error
		definite bool
	}{
		{refused(1213), true}, {refused(1114), true}, {refused(1153), true}, {driver.ErrBadConn, true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{refused(1180), false}, {refused(1053), false}, {refused(1317), false}, {mysql.ErrInvalidConn, false},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, false}, {context.DeadlineExceeded, false},
	} {
		if got := brokers.Definite(judge(c.err)); got != c.definite {
			t.Errorf("%v is definite: %v, want %v", c.err, got, c.definite)
		}
	}
	if judge(nil) != nil {
		t.Error("no error became one")
	}
}

func TestConfigure(t *testing.T) {
	for in, want := range map[string]string{
		"mysql://u:p%40w@h/db":                          "u:p@w@tcp(h:3306)/db?",
		"sqla+mysql+pymysql://u@h:1/db?charset=utf8mb4": "u@tcp(h:1)/db?",
		"mariadb://u@[::1]:2/d%2Fb":                     "u@tcp([::1]:2)/d%2Fb?",
	} {
		c, err := configure(in)
		if err != nil || !strings.HasPrefix(c.FormatDSN(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}
