package couchdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

const secret = "s3cret"

// fake is a server that is CouchDB as far as a test needs it.
type fake struct {
	version      string // what is said at the root; "" is CouchDB's
	password     bool   // one is wanted, and refused
	create       int    // status of making a database
	bulk, holder int    // status of writing messages and holders; 0 is success
}

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	say := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, text)
	}
	switch {
	case r.URL.Path == "/" && f.version != "":
		say(200, f.version)
	case r.URL.Path == "/":
		say(200, `{"couchdb":"Welcome","version":"3.3.3"}`)
	case f.password:
		say(401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`)
	case r.Method == http.MethodHead && f.create != 0:
		w.WriteHeader(404)
	case r.Method == http.MethodHead:
	case strings.HasSuffix(r.URL.Path, "/_bulk_docs") && f.bulk != 0:
		say(f.bulk, `{"error":"no","reason":"as it is"}`)
	case strings.Contains(r.URL.Path, "-holders/") && f.holder != 0:
		say(f.holder, `{"error":"forbidden","reason":"You are not allowed to access this db."}`)
	case r.Method == http.MethodPut:
		say(f.create, `{"error":"unauthorized","reason":"You are not a server admin."}`)
	default:
		say(200, `{"update_seq":"1-x"}`)
	}
}

func openAt(t *testing.T, addr string) (brokers.Broker, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	b, err := Driver.Open(ctx, "couchdb://me:"+secret+"@"+addr+"/jobs", Driver.Variants[0])
	if err == nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	return b, err
}

// refuses makes sure that an error is Definite, tells what to do, and tells no secret.
func refuses(t *testing.T, what string, err error, wants ...string) {
	t.Helper()
	if err == nil || !brokers.Definite(err) || strings.Contains(err.Error(), secret) {
		t.Errorf("%s: %v, want a Definite error without the password", what, err)
		return
	}
	for _, want := range append(wants, "couchdb") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", what, err, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	for what, c := range map[string]struct {
		addr  string
		wants []string
	}{
		"nobody listens":  {servertest.Nobody(t), []string{"connection refused"}},
		"wrong password":  {serve(fake{password: true}), []string{"check user and password in the URL"}},
		"no rights":       {serve(fake{create: 403}), []string{"database jobs", "may read and write"}},
		"no admin":        {serve(fake{create: 401}), []string{"database jobs", "check user and password"}},
		"another service": {serve(fake{version: `{"name":"elastic"}`}), []string{"it is no CouchDB"}},
		"a web page":      {serve(http.NotFoundHandler()), []string{"it is no CouchDB"}},
		"no JSON":         {serve(fake{version: `<html>`}), []string{"it is no CouchDB"}},
		"not HTTP":        {babble(t), []string{"it is no CouchDB"}},
	} {
		_, err := openAt(t, c.addr)
		refuses(t, what, err, append(c.wants, "open couchdb at "+c.addr)...)
	}
}

// babble is a server that speaks, and not HTTP.
func babble(t *testing.T) string {
	t.Helper()
	return servertest.Serve(t, func(c net.Conn) {
		_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
		_, _ = io.Copy(io.Discard, c) // it hears the other out, so that nothing is reset
	})
}

func TestCertificateOfNobody(t *testing.T) {
	s := httptest.NewTLSServer(fake{})
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := Driver.Open(ctx, "couchdbs://me:"+secret+"@"+s.Listener.Addr().String()+"/jobs", Driver.Variants[0])
	refuses(t, "a certificate of nobody", err, "certificate", "have this machine trust")
	_, err = Driver.Open(ctx, "couchdbs://me:"+secret+"@"+babble(t)+"/jobs", Driver.Variants[0])
	refuses(t, "no TLS at all", err)
}

// A password is not sent before the server has said what it is.
func TestPasswordIsForCouchDB(t *testing.T) {
	sent := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			sent <- r.URL.Path
		}
		fake{version: `{"name":"elastic"}`}.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	if _, err := openAt(t, s.Listener.Addr().String()); err == nil || len(sent) != 0 {
		t.Errorf("open: %v, and the password was sent to %d", err, len(sent))
	}
}

// A wire that is closed reaches out to nobody, as a Close over a link that is cut would wait for that several times.
func TestClosedWireDialsNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := newWire(newClock(time.Now))
	w.close()
	if _, err := w.dial(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, brokers.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Accept(); err == nil {
		t.Errorf("%v was connected", c.RemoteAddr())
	}
}

func TestWritesRefused(t *testing.T) {
	for what, c := range map[string]struct {
		server   fake
		definite bool
		want     string
	}{
		"forbidden":    {fake{bulk: 403}, true, "may read and write"},
		"gone":         {fake{bulk: 404}, true, "deleted one since"},
		"too large":    {fake{bulk: 413}, true, "max_document_size"},
		"disk is full": {fake{bulk: 507}, false, "free space"},
		"crashed":      {fake{bulk: 500}, false, "as it is"},
	} {
		s := httptest.NewServer(c.server)
		b, err := openAt(t, s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		err = b.Publish(t.Context(), letter(1))
		if err == nil || brokers.Definite(err) != c.definite || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want it Definite: %v, and %q in it", what, err, c.definite, c.want)
		}
		s.Close()
	}
}

// Who may read and not write may not consume either: nobody would know of it.
func TestConsumeRefused(t *testing.T) {
	s := httptest.NewServer(fake{holder: 403})
	t.Cleanup(s.Close)
	b, err := openAt(t, s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Consume(t.Context(), []string{"q"}, 1)
	refuses(t, "consume", err, "consume from couchdb at", "write down who is there", "may read and write")
	if _, err := b.Consume(t.Context(), nil, 1); !brokers.Definite(err) {
		t.Errorf("consume from no queue: %v", err)
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]settings{
		"couchdb://h:1":            {base: "http://h:1/", addr: "h:1", database: "taskbench"},
		"couchdb://u:p%40@h:1/a-b": {base: "http://h:1/", addr: "h:1", database: "a-b", user: "u", password: "p@"},
		"couchdbs://h/x/":          {base: "https://h/", addr: "h", database: "x"},
		"https://h:6984/x":         {base: "https://h:6984/", addr: "h:6984", database: "x"},
	} {
		if got, err := configure(url); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", url, got, err)
		}
	}
	for _, url := range []string{"redis://h:1", "couchdb:///x", "couchdb://h/Big", "couchdb://h/a/b", "couchdb://h/x?y=1", "couchdb://h/_users", ""} {
		if _, err := configure(url); !brokers.Definite(err) || !strings.Contains(err.Error(), "couchdb://user:password@host") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
