package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

const (
	patience  = 4 * time.Second  // bounds connecting and every small exchange with the server
	lease     = 10 * time.Second // AckWait of the consumers that we make
	pingEvery = 2 * time.Second
	pingsOut  = 2 // without an answer; the next one finds the link dead
)

const form = "nats://user:password@host:port or tls://user:password@host:port?tls_ca=FILE"

// settings are what a URL and a variant say.
type settings struct {
	addr    string // for people and for dialling: without user and password
	auth    []client.Option
	tls     *tls.Config // nil where the link is plain, unless the server asks for more
	storage jetstream.StorageType
}

// configure reads the URL. Its secrets go no further than into options of the library.
func configure(rawURL string, v brokers.Variant) (settings, error) {
	bad := func(cause error) (settings, error) {
		return settings{}, fmt.Errorf("read nats URL: %w", brokers.RefuseURL(rawURL, form, cause))
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return bad(errors.New("it is no URL"))
	case u.Scheme != "nats" && u.Scheme != "tls":
		return bad(errors.New("the scheme is another"))
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Fragment != "":
		return bad(errors.New("it names no host, or more than a host"))
	}
	port := u.Port()
	if port == "" {
		port = strconv.Itoa(defaultPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad(errors.New("the port is no port"))
	}
	s := settings{addr: net.JoinHostPort(u.Hostname(), port), storage: jetstream.FileStorage}
	if v.Settings["storage"] == "memory" {
		s.storage = jetstream.MemoryStorage
	}
	if u.User != nil {
		name := u.User.Username()
		switch password, with := u.User.Password(); {
		case !with: // it would be shown where passwords are not
			return bad(errors.New("a token is written nats://:TOKEN@host, and a user has a password"))
		case name == "":
			s.auth = append(s.auth, client.Token(password))
		default:
			s.auth = append(s.auth, client.UserInfo(name, password))
		}
	}
	if u.Scheme == "tls" {
		s.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	for name, values := range u.Query() {
		value := values[len(values)-1]
		switch name {
		case "tls_ca":
			if s.tls == nil {
				return bad(errors.New("tls_ca is for tls://"))
			}
			if s.tls.RootCAs, err = authority(value); err != nil {
				return bad(err)
			}
		case "creds":
			s.auth = append(s.auth, client.UserCredentials(value))
		default:
			return bad(fmt.Errorf("there is no parameter %q; there are tls_ca and creds", name))
		}
	}
	return s, nil
}

func authority(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls_ca: %s holds no certificate in PEM", file)
	}
	return pool, nil
}
