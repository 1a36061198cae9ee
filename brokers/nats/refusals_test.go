package nats

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

const secret = "s3cret"

// users may do everything, nothing, or all but make a stream.
const users = `
authorization { users = [
  {user: all, password: s3cret}
  {user: mute, password: s3cret, permissions: {publish: "nowhere", subscribe: ">"}}
  {user: deaf, password: s3cret, permissions: {publish: ">", subscribe: "nothing"}}
  {user: guest, password: s3cret, permissions: {publish: ["$JS.API.INFO", "$JS.API.STREAM.INFO.>"], subscribe: ">"}}
] }
`

// opening is what goes wrong with it.
func opening(t *testing.T, url string) error {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, Driver.Variants[0])
	if err == nil {
		err = errors.Join(errors.New("it opens"), b.Close())
	}
	return err
}

func swap(from, to string) func(string) string {
	return func(text string) string { return strings.Replace(text, from, to, 1) }
}

func as(url, user string) string { return strings.Replace(url, "//", "//"+user+"@", 1) }

// Each refusal names the broker and what to do; none shows the password.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	file := Driver.Variants[0]
	guarded := launch(t, file, func(text string) string { return text + users })
	few := launch(t, file, func(text string) string { return text + "max_connections: 1\n" })
	bare := launch(t, file, func(text string) string { return text[:strings.Index(text, "jetstream")] })
	small := launch(t, file, swap("8MB", "1MB"))
	full := launch(t, file, swap("jetstream {", "jetstream {\n  max_file: 100KB"))
	mib := brokers.Message{Queue: "q", Body: bytes.Repeat([]byte("x"), 1<<20)}
	if err := servertest.Until(t.Context(), soon, func() error { // the server may not have noticed yet that nobody asks it who it is
		only, err := Driver.Open(t.Context(), few.url, file)
		if err == nil {
			t.Cleanup(func() { _ = only.Close() })
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := openAt(t, full.url, file)
	publish(t, b, mib) // one too many is noticed with the next
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"password", "check user and password", opening(t, as(guarded.url, "all:another"+secret))},
		{"no user", "check user and password", opening(t, guarded.url)},
		{"token", "check user and password", opening(t, as(guarded.url, ":another"+secret))},
		{"no right to publish", "let the user publish", opening(t, as(guarded.url, "mute:"+secret))},
		{"no right to subscribe", "let the user publish to", opening(t, as(guarded.url, "deaf:"+secret))},
		{"no right to make streams", "let the user publish", openAt(t, as(guarded.url, "guest:"+secret), file).Publish(t.Context(), letter(1))},
		{"connections", "raise max_connections", opening(t, few.url)},
		{"no JetStream", "is JetStream enabled", opening(t, bare.url)},
		{"large message", "raise max_payload", openAt(t, small.url, file).Publish(t.Context(), mib)},
		{"full store", "raise max_file", b.Publish(t.Context(), mib)},
		{"other server", "is it a NATS server", opening(t, "nats://all:"+secret+"@"+impostor(t))},
		{"nobody there", "connection refused", opening(t, "nats://all:"+secret+"@127.0.0.1:1")},
		{"plain server for TLS", "check the scheme", opening(t, strings.Replace(small.url, "nats:", "tls:", 1))},
		{"name", "shorten it", openAt(t, small.url, file).Publish(t.Context(), brokers.Message{Queue: strings.Repeat("ü", 40)})},
	} {
		if err := lucktest.Judge(Driver, c.err, c.want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := openAt(t, as(guarded.url, "all:"+secret), file).Publish(t.Context(), letter(1)); err != nil {
		t.Errorf("who may do everything: %v", err)
	}
}

// impostor greets as a mail server does.
func impostor(t *testing.T) string {
	t.Helper()
	return servertest.Serve(t, func(c net.Conn) {
		_, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n"))
		_, _ = c.Read(make([]byte, 1024))
	})
}

// Streams and consumers of our names and of another shape.
func TestStreamsOfAnotherShape(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	js := stranger(t, s.url)
	b := openAt(t, s.url, Driver.Variants[0])
	for i, c := range []struct {
		bend func(*jetstream.StreamConfig)
		want string
	}{
		{func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy }, "retention is Limits and not WorkQueue"},
		{func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "storage is Memory and not File"},
		{func(c *jetstream.StreamConfig) { c.Subjects = []string{"other"} }, `it takes ["other"]`},
		{func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "drops messages with age"},
		{func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 5, jetstream.DiscardOld }, "drops old messages"},
		{func(c *jetstream.StreamConfig) { c.Name = "stranger" }, "a stream of somebody else takes the subject"},
	} {
		queue := fmt.Sprintf("bent%d", i)
		cfg := queueOf(queue).config(jetstream.FileStorage)
		c.bend(&cfg)
		if _, err := js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		err := b.Publish(t.Context(), brokers.Message{Queue: queue})
		if err := lucktest.Judge(Driver, err, c.want); err != nil {
			t.Error(err)
		}
		if _, err := b.Consume(t.Context(), []string{queue}, 1); !brokers.Definite(err) {
			t.Errorf("consuming: %v, want a Definite error", err)
		}
	}
	cfg := queueOf("pushed").config(jetstream.FileStorage)
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), cfg.Name, jetstream.ConsumerConfig{Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Consume(t.Context(), []string{"pushed"}, 1); !brokers.Definite(err) || !strings.Contains(err.Error(), "without max_deliver") {
		t.Errorf("consuming: %v, want a Definite error", err)
	}
}

// A full queue refuses, keeps what it has, and takes more once there is room.
func TestFullQueueRefuses(t *testing.T) {
	t.Parallel()
	s := launch(t, Driver.Variants[0], plain)
	cfg := queueOf("q").config(jetstream.FileStorage)
	cfg.MaxMsgs = 2
	if _, err := stranger(t, s.url).CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	b := openAt(t, s.url, Driver.Variants[0])
	errs := b.PublishBatch(t.Context(), []brokers.Message{letter(0), letter(1), letter(2)})
	if errs[0] != nil || errs[1] != nil || !brokers.Definite(errs[2]) || !strings.Contains(errs[2].Error(), "raise the limits of the stream") {
		t.Errorf("three messages for two places: %v", errs)
	}
	c := consume(t, b, 1, "q")
	if err := next(t, c).Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, letter(3))
	for _, want := range []int{1, 3} {
		d := next(t, c)
		if d.Message().CorrelationID != letter(want).CorrelationID {
			t.Errorf("got %s, want message %d", d.Message().CorrelationID, want)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := certificate(t, dir, "good", time.Now().Add(time.Hour))
	old := certificate(t, dir, "old", time.Now().Add(-time.Hour))
	for _, c := range []struct{ serves, trusted, want string }{
		{good, good, ""}, {good, old, "x509"}, {old, old, "expired"}, {good, "", "x509"}, {good, filepath.Join(dir, "none"), "tls_ca"},
	} {
		s := launchTLS(t, c.serves)
		at := strings.Replace(s.url, "nats:", "tls:", 1)
		if c.trusted != "" {
			at += "?tls_ca=" + c.trusted + ".pem"
		}
		b, err := Driver.Open(t.Context(), at, Driver.Variants[0])
		if c.want == "" {
			if err != nil {
				t.Errorf("the right certificate: %v", err)
				continue
			}
			publish(t, b, letter(1))
			_ = b.Close()
		} else if !brokers.Definite(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("serves %s, trusted %s: %v, want a Definite error with %q", c.serves, c.trusted, err, c.want)
		}
	}
	if err := opening(t, launchTLS(t, good).url); err == nil || !strings.Contains(err.Error(), "check the scheme") {
		t.Errorf("a plain link to a server that wants TLS: %v", err)
	}
}

func launchTLS(t *testing.T, cert string) *testServer {
	t.Helper()
	return launch(t, Driver.Variants[0], func(text string) string {
		return text + fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", cert+".pem", cert+".key")
	})
}

// certificate writes one for 127.0.0.1 that signs itself, and returns its path without ending.
func certificate(t *testing.T, dir, name string, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secretPart, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	for file, block := range map[string]*pem.Block{
		path + ".pem": {Type: "CERTIFICATE", Bytes: der}, path + ".key": {Type: "PRIVATE KEY", Bytes: secretPart},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
