package mongodb

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// serve starts FerretDB, which this repository builds, in place of MongoDB.
func serve(t *testing.T) *servertest.Server {
	t.Helper()
	binary, dir := servertest.FerretDB(t), t.TempDir()
	addr := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	at := Driver.Server.URL(addr)
	return servertest.Start(t, at, func() *exec.Cmd { return exec.Command(binary, addr, dir) }, func(ctx context.Context) error {
		_, err := Driver.Server.Ready(ctx, at)
		return err
	})
}

// connect opens a broker of the default variant, or of another, on a database of the test's own.
func connect(t *testing.T, at string, variant string) brokers.Broker {
	t.Helper()
	return openAs(t, at+databaseOf(t), variant)
}

func databaseOf(t *testing.T) string {
	return strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())
}

func openAs(t *testing.T, url, variant string) brokers.Broker {
	t.Helper()
	v, err := Driver.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Driver.Open(t.Context(), url, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func layoutOf(b brokers.Broker) layout {
	if l, ok := b.(*leaser); ok {
		return l.layout
	}
	return b.(*broker).layout
}

func leasesOf(b brokers.Broker) *leasing { return layoutOf(b).(*leasing) }

func letter(n int) brokers.Message {
	return brokers.Message{Queue: "q", CorrelationID: fmt.Sprint(n), Body: []byte("x")}
}

func publish(t *testing.T, b brokers.Broker, n int) {
	t.Helper()
	ms := make([]brokers.Message, n)
	for i := range ms {
		ms[i] = letter(i)
	}
	if err := errors.Join(b.(brokers.Batcher).PublishBatch(t.Context(), ms)...); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, b brokers.Broker, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{"q"}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOnServer(t *testing.T) {
	servertest.Needed(t)
	at := serve(t).URL
	t.Run("large messages", func(t *testing.T) { testLargeMessages(t, at) }) // alone: it looks at the memory that all share
	for name, test := range map[string]func(t *testing.T, at string){
		"names itself": testNamesItself, "claims are exclusive": testClaimsAreExclusive, "dead consumer": testDeadConsumer,
		"lease is renewed": testLeaseIsRenewed, "search finds the unowned": testSearch, "claim cut short": testClaimCutShort,
		"idle costs little": testIdleCostsLittle, "messages of others are seen": testOthersAreSeen,
		"neighbours are woken": testNeighbours, "bindings of kombu": testKombusBindings, "too large": testTooLarge,
		"late reject": testLateReject, "late removal": testLateRemoval, "one heir": testOneHeir,
		"heir of long ago": testHeirOfLongAgo, "large backlog": testLargeBacklog,
		"clocks apart": testClocksApart, "failover": testFailover, "member alone": testMemberAlone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at)
		})
	}
}

func testNamesItself(t *testing.T, at string) {
	version, err := Driver.Server.Ready(t.Context(), at)
	if err != nil || !strings.HasPrefix(version, "FerretDB 1.") {
		t.Errorf("version %q, %v", version, err)
	}
}

func testTooLarge(t *testing.T, at string) {
	m := letter(0)
	m.Body = make([]byte, largest+1)
	for _, variant := range []string{"lease", "kombu"} {
		b := connect(t, at, variant)
		errs := b.(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{m, letter(1)})
		if !brokers.Definite(errs[0]) || errs[1] != nil {
			t.Errorf("%s: %v", variant, errs)
		}
	}
}

// A server's answer has a bound, and so has memory: few large messages must not be asked for at once.
func testLargeBacklog(t *testing.T, at string) {
	b := connect(t, at, "lease-w1")
	l := leasesOf(b)
	for i := range 4 {
		m := letter(i)
		m.Body = make([]byte, 13<<20)
		d, err := l.pack(m)
		if err != nil {
			t.Fatal(err)
		}
		d.ID, d.Owner = b.(*leaser).ids.next(), "nobody"
		if err := insert(t.Context(), l.held, []document{d}); err != nil {
			t.Fatal(err)
		}
	}
	l.sweep(from(time.Now()), true) // in which they come back
	if d := servertest.Next(t, consume(t, b, 1), 2*time.Minute); d.Message().CorrelationID != "0" || d.Ack(t.Context()) != nil {
		t.Errorf("%s came", d.Message().CorrelationID)
	}
}
