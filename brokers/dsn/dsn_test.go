package dsn

import (
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]struct{ user, secret, addr, name, charset string }{
		"mysql://h/d":                           {"", "", "h:3306", "d", ""},
		"mysql://u@h:1/d":                       {"u", "", "h:1", "d", ""},
		"mysql://u:p%40%3A%2Fw@h/d":             {"u", "p@:/w", "h:3306", "d", ""},
		"mysql://u:p@[::1]/d":                   {"u", "p", "[::1]:3306", "d", ""},
		"mariadb://u:p@h/a%2Fb?charset=utf8mb4": {"u", "p", "h:3306", "a/b", "charset=utf8mb4"},
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(u)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if c.User != want.user || c.Passwd != want.secret || c.Addr != want.addr || c.DBName != want.name || !strings.Contains(c.FormatDSN(), want.charset) {
			t.Errorf("%s is read as %s, want %+v", in, c.FormatDSN(), want)
		}
		if _, silent := c.Logger.(*mysql.NopLogger); !silent {
			t.Errorf("%s: the driver prints to %T", in, c.Logger)
		}
	}
	for _, in := range []string{"mysql://u:secret@h/", "mysql://u:secret@h", "mysql:///secret", "mysql://:3306/secret", "mysql://h/secret/s", "mysql://h/d?timeout=secret"} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(u); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want an error that quotes nothing", in, err)
		}
	}
}
