// Package dsn reads the URLs of MySQL and MariaDB for the Go driver, which has a form of its own for them.
package dsn

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Parse returns what the driver needs to connect to mysql://user:password@host:port/database; the scheme is the caller's to
// look at. Port 3306 is the default. Parameters are those of the driver, which sends others to the server as variables of the
// session. Messages may be as large as the server takes, and the driver prints nothing: all that it would, it also returns
// as an error. Errors quote nothing of the URL.
func Parse(u *url.URL) (*mysql.Config, error) {
	name, port := strings.TrimPrefix(u.EscapedPath(), "/"), u.Port()
	if u.Hostname() == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("it names a host, and a database after it")
	}
	if port == "" {
		port = "3306"
	}
	c, err := mysql.ParseDSN("tcp(" + net.JoinHostPort(u.Hostname(), port) + ")/" + name + "?" + u.RawQuery)
	if err != nil { // it may quote a parameter, and that may be a secret
		return nil, errors.New("one of its parameters is none of the driver's")
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.MaxAllowedPacket = 0
	c.Logger = &mysql.NopLogger{}
	return c, nil
}
