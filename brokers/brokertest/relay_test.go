package brokertest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

func TestThroughDoesNotShowTheURL(t *testing.T) {
	for _, url := range []string{"x://user:s3cret@host", "x://user:s3cret%@host:1"} {
		_, _, err := brokertest.Through(brokertest.Subject{Driver: brokers.Driver{Name: "d"}, URL: url})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("through %q: %v, want an error without the password", url, err)
		}
	}
}

// Of several servers each is reached through a relay of its own, and all of them break together.
func TestThroughIsBeforeEveryServer(t *testing.T) {
	var urls []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				_, _ = c.Write([]byte("hello"))
			}
		}()
		urls = append(urls, "x://"+l.Addr().String())
	}
	s, relays, err := brokertest.Through(brokertest.Subject{URL: brokers.JoinURLs(urls)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = relays.Close() }()
	var links []net.Conn
	for i, u := range brokers.URLs(s.URL) {
		if u == urls[i] {
			t.Fatalf("%s is reached without a relay", u)
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(u, "x://"))
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = io.ReadFull(c, make([]byte, 5))
		}
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, c)
	}
	if len(links) != 2 {
		t.Fatalf("%d servers", len(links))
	}
	if err := s.Break(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range links {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a link outlived the break: %v", err)
		}
		_ = c.Close()
	}
}
