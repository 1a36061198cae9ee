package couchdb

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

const soon = 20 * time.Second // how long something that must happen may take

// serve starts PouchDB Server, in place of CouchDB, or that itself where it is on PATH. It returns the server's URL
// without a database.
func serve(t *testing.T) (string, *servertest.Server) {
	t.Helper()
	servertest.PouchDB(t)
	s := servertest.Launch(t, Driver)
	return strings.TrimSuffix(s.URL, "taskbench"), s
}

// connect opens a broker on a database of the test's own.
func connect(t *testing.T, at string) *broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), at+database(t), Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*broker)
}

func database(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()))
}

func letter(n int) brokers.Message {
	return brokers.Message{Queue: "q", CorrelationID: fmt.Sprint(n), Body: []byte("x")}
}

func publish(t *testing.T, b *broker, n int) {
	t.Helper()
	ms := make([]brokers.Message, n)
	for i := range ms {
		ms[i] = letter(i)
	}
	if err := errors.Join(b.PublishBatch(t.Context(), ms)...); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, b *broker, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{"q"}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settleAs makes sure of what comes next, and acknowledges it.
func settleAs(t *testing.T, c brokers.Consumer, want string) {
	t.Helper()
	d := servertest.Next(t, c, soon)
	if got := d.Message().CorrelationID; got != want {
		t.Errorf("message %s came, want %s", got, want)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("ack %s: %v", want, err)
	}
}

func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	at, _ := serve(t)
	t.Run("large messages", func(t *testing.T) { testLargeMessages(t, at) }) // alone: it looks at the memory that all share
	for name, test := range map[string]func(t *testing.T, at string){
		"names itself": testNamesItself, "claims are exclusive": testClaimsAreExclusive, "dead consumer": testDeadConsumer,
		"lease is renewed": testLeaseIsRenewed, "idle costs little": testIdleCostsLittle, "woken": testWoken,
		"long queue": testLongQueue, "clocks apart": testClocksApart, "foreign documents": testForeignDocuments,
		"read only": testReadOnly, "database deleted": testDatabaseDeleted, "nobodys": testNobodys, "compaction": testCompaction,
		"given back twice": testGivenBackTwice, "heir is late": testHeirIsLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at)
		})
	}
}

func testNamesItself(t *testing.T, at string) {
	version, err := Driver.Server.Ready(t.Context(), at)
	if err != nil || !strings.HasPrefix(version, "PouchDB Server 4.") && !strings.HasPrefix(version, "3.") {
		t.Errorf("version %q, %v", version, err)
	}
}

// A fleet of idle workers is what most servers have to bear most of the time.
func testIdleCostsLittle(t *testing.T, at string) {
	b := connect(t, at)
	var asked atomic.Int64
	inner := b.link.wire.count
	b.link.wire.count = func() { asked.Add(1); inner() }
	c := consume(t, b, 4)
	publish(t, b, 1)
	settleAs(t, c, "0")
	servertest.Quiet(t, c, time.Second)
	const length = 5 * time.Second
	before := asked.Load()
	servertest.Quiet(t, c, length)
	if n := asked.Load() - before; n > 2*int64(length/time.Second) || n == 0 {
		t.Errorf("%d requests in %v of idleness, want at most two a second", n, length)
	}
}

// Who publishes elsewhere wakes whoever waits.
func testWoken(t *testing.T, at string) {
	mine, other := connect(t, at), connect(t, at)
	c := consume(t, mine, 4)
	servertest.Quiet(t, c, time.Second)
	for i := range 5 {
		publish(t, other, 1)
		began := time.Now()
		settleAs(t, c, "0")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("message %d came after %v", i, took)
		}
	}
}
