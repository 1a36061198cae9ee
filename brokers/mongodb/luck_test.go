package mongodb

import (
	"context"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

func subject() lucktest.Subject {
	return lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:        lucktest.URL("mongodb", "/jobs", ""),
		Foreign:    "is it MongoDB",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("mongodb", "/jobs", "tls=true"), Advice: "trust who signed"},
		Elsewhere: map[string]string{
			"large messages": "TestOnServer/large messages", "clocks apart": "TestOnServer/clocks apart",
		},
	}
}

func TestLuck(t *testing.T) {
	s := subject()
	refused := func(command string, code int32, name string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			at := "mongodb://" + refuser(t, command, refusal(code, name)) + "/jobs"
			if command == "saslStart" {
				at = s.URL(at[len("mongodb://") : len(at)-len("/jobs")])
			}
			b, err := Driver.Open(ctx, at, Driver.Variants[0])
			if err != nil {
				return err
			}
			defer func() { _ = b.Close() }()
			return b.Publish(ctx, letter(1))
		}
	}
	s.Refusals = map[string]lucktest.Refusal{
		"password": {Advice: "check user and password", Meet: refused("saslStart", 18, "AuthenticationFailed")},
		"rights":   {Advice: "role readWrite", Meet: refused("insert", 13, "Unauthorized")},
		"replica":  {Advice: "name the whole replica set", Meet: refused("insert", 10107, "NotWritablePrimary")},
		"disk":     {Advice: "free space", Meet: refused("insert", 14031, "OutOfDiskSpace")},
		"shape":    {Advice: "name another database", Meet: refused("insert", 166, "CommandNotSupportedOnView")},
		"connections": {Advice: "does it take more connections", Meet: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			full := servertest.Serve(t, func(net.Conn) {}) // as MongoDB hangs up on those that are too many
			_, err := Driver.Open(ctx, s.URL(full), s.Variant)
			return err
		}},
	}
	lucktest.Run(t, s)
}

// refuser is a server that does all that it is asked, but says something of its own to one command, and returns its address.
func refuser(t *testing.T, command string, no bson.D) string {
	t.Helper()
	yes := bson.D{
		{Key: "ok", Value: 1}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}, {Key: "maxBsonObjectSize", Value: 16 << 20},
		{Key: "maxMessageSizeBytes", Value: 48_000_000}, {Key: "maxWriteBatchSize", Value: 1000}, {Key: "minWireVersion", Value: 0},
		{Key: "maxWireVersion", Value: 21}, {Key: "version", Value: "7.0.0"}, {Key: "n", Value: 1},
	}
	return servertest.Serve(t, func(c net.Conn) {
		for {
			asked, err := readRequest(c)
			if err != nil {
				return
			}
			said := yes
			if asked.command() == command {
				said = no
			}
			if asked.answer(c, said) != nil {
				return
			}
		}
	})
}

func testLargeMessages(t *testing.T, at string) {
	s := subject()
	s.Server = at + "large"
	if err := lucktest.Apply(t.Context(), s, lucktest.Find("large messages")); err != nil {
		t.Error(err)
	}
}

// Whose lease has ended is decided by the clock that wrote it down, the server's, whatever this machine's says.
func testClocksApart(t *testing.T, at string) {
	b := connect(t, at, "lease")
	l := leasesOf(b)
	k := &keeper{l: l, id: "somebody"}
	told, err := k.renew(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if apart := time.Since(told).Abs(); apart > time.Minute {
		t.Errorf("the server says that it is %v: no time of its own, %v from this machine's", told, apart)
	}
	there := func() bool {
		known, err := l.known(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return known["somebody"]
	}
	for _, c := range []struct {
		clock time.Duration // of the server when it looks, from when it wrote the lease down
		lives bool
	}{{-time.Hour, true}, {lease / 2, true}, {lease + time.Second, false}} {
		l.sweep(clock{told: told.Add(c.clock), asked: time.Now()}, false)
		if there() != c.lives {
			t.Errorf("%v later by the server's clock the lease is kept: %v", c.clock, !c.lives)
		}
	}
}
