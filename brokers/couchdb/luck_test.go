package couchdb

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"taskbench/brokers/lucktest"
)

func subject() lucktest.Subject {
	return lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:        lucktest.URL("couchdb", "/jobs", ""),
		Foreign:    "it is no CouchDB that answers there",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("couchdbs", "/jobs", ""), Advice: "have this machine trust"},
		Elsewhere: map[string]string{
			"replica": "every replica takes writes", "shape": "TestOnServer/foreign documents: nothing is refused",
			"large messages": "TestOnServer/large messages", "clocks apart": "TestOnServer/clocks apart",
		},
	}
}

func TestLuck(t *testing.T) {
	s := subject()
	publishing := func(h http.Handler) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			server := httptest.NewServer(h)
			defer server.Close()
			b, err := Driver.Open(ctx, s.URL(server.Listener.Addr().String()), s.Variant)
			if err != nil {
				return err
			}
			defer func() { _ = b.Close() }()
			return b.Publish(ctx, letter(1))
		}
	}
	s.Refusals = map[string]lucktest.Refusal{
		"password":    {Advice: "check user and password in the URL", Meet: publishing(fake{password: true})},
		"rights":      {Advice: "may read and write", Meet: publishing(fake{bulk: 403})},
		"disk":        {Advice: "free space", Meet: publishing(fake{bulk: 507}), Unsure: true},
		"connections": {Advice: "server_options", Meet: func(ctx context.Context) error { return crowd(ctx, t, s) }},
	}
	lucktest.Run(t, s)
}

// crowd is what happens at a server that has as many connections as it takes: the system accepts one more, and the server
// does not look at it.
func crowd(ctx context.Context, t *testing.T, s lucktest.Subject) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	b, err := Driver.Open(ctx, s.URL(l.Addr().String()), s.Variant)
	if err == nil {
		_ = b.Close()
	}
	return err
}

func testLargeMessages(t *testing.T, at string) {
	s := subject()
	s.Server = at + database(t)
	if err := lucktest.Apply(t.Context(), s, lucktest.Find("large messages")); err != nil {
		t.Error(err)
	}
}
