package lucktest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"
)

// An Encryption says how links are encrypted.
type Encryption struct {
	// URL is that of a server at an address that wants encryption, with a user and Secret.
	URL func(addr string) string

	// Advice is what an error has to say about a certificate.
	Advice string

	// Begin is what client and server say to each other, as the server does it, before the encryption begins. Nil is nothing.
	Begin func(c net.Conn) error
}

// certificates is about servers that cannot be told from impostors.
var certificates = Clause{
	Name:  "certificates",
	Why:   "who accepts every certificate sends passwords to whoever stands in between, and who accepts none is of no use",
	unfit: func(s Subject) bool { return s.Encryption == nil },
	Check: func(ctx context.Context, s Subject) error {
		hour, here := time.Now().Add(time.Hour), net.IPv4(127, 0, 0, 1)
		plain := s
		plain.URL = s.Encryption.URL
		checks := map[string]func() error{
			"a server without encryption": func() error { return plain.meets(ctx, reply("what?\r\n")) },
		}
		for _, c := range []struct {
			name    string
			by      *authority
			host    net.IP
			until   time.Time
			refused bool
		}{
			{"the right certificate", trusted, here, hour, false},
			{"one that nobody signed", newAuthority(), here, hour, true},
			{"one that has expired", trusted, here, time.Now().Add(-time.Hour), true},
			{"that of another host", trusted, net.IPv4(127, 0, 0, 99), hour, true},
		} {
			checks[c.name] = func() error { return s.shown(ctx, c.by.sign(c.host, c.until), c.refused) }
		}
		return together(checks)
	},
}

// shown has the driver meet a server with that certificate, which has nothing else to say.
func (s Subject) shown(ctx context.Context, cert tls.Certificate, refused bool) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	shaken := make(chan error, 100)
	stop := serve(l, func(c net.Conn) {
		if s.Encryption.Begin != nil {
			if err := s.Encryption.Begin(c); err != nil {
				return
			}
		}
		t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		_ = c.SetDeadline(after(soon))
		err := t.Handshake()
		select {
		case shaken <- err:
		default:
		}
		if err == nil {
			_, _ = t.Read(make([]byte, 4096))
			_, _ = io.WriteString(t, "what?\r\n")
			_ = t.Close() // the connection is closed in any case
		}
	})
	open, ready, err := s.ask(ctx, s.Encryption.URL(l.Addr().String()))
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	close(shaken)
	trusted := 0
	for err := range shaken {
		if err == nil {
			trusted++
		}
	}
	switch {
	case !refused && trusted == 0:
		return fmt.Errorf("it is refused: %w", open)
	case refused && trusted > 0:
		return fmt.Errorf("it is accepted, and then %w", open)
	case !refused:
		return errors.Join(s.judge(open), s.judge(ready))
	}
	return errors.Join(s.judge(open, "x509", s.Encryption.Advice), s.judge(ready, "x509"))
}

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// trusted is whom this process trusts. A process reads once whom it trusts, and by then must find it.
var trusted = func() *authority {
	a := newAuthority()
	f, err := os.CreateTemp("", "taskbench-authority-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it was read
	if err := pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	const file = "SSL_CERT_FILE"
	was, set := os.LookupEnv(file)
	if err := os.Setenv(file, f.Name()); err != nil {
		panic(err)
	}
	if _, err := x509.SystemCertPool(); err != nil { // reads it
		panic(err)
	}
	if set {
		err = os.Setenv(file, was)
	} else {
		err = os.Unsetenv(file)
	}
	if err != nil {
		panic(err)
	}
	return a
}()

func newAuthority() *authority {
	a := &authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "taskbench test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.cert, a.key = certify(a.cert, nil, nil)
	return a
}

// sign makes a server's certificate.
func (a *authority) sign(host net.IP, until time.Time) tls.Certificate {
	cert, key := certify(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{host}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// certify makes a key and its certificate, which signs itself without somebody to do it.
func certify(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert, key
}
