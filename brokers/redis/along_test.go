package redis

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A tap stands between a client and a server, and knows what the client sends in one exchange.
type tap struct {
	ack, claim string // names of the scripts
	own        int    // arguments of the former that are no messages

	mu           sync.Mutex
	acked, along int // messages acknowledged, and those of them in an exchange that claims as well
}

// serve returns the address at which the server at addr can be reached through the tap.
func (p *tap) serve(t *testing.T, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the test is over
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				_ = client.Close() // which tells the client
				return
			}
			go p.forward(client, server)
			go func() {
				_, _ = io.Copy(client, server) // until one of them has gone
				_ = client.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// forward counts, exchange by exchange: what has arrived together was sent together.
func (p *tap) forward(client, server net.Conn) {
	defer func() { _ = server.Close() }() // the client has gone
	r := bufio.NewReaderSize(client, 1<<20)
	acked, claims := 0, 0
	for {
		args, err := request(r)
		if err != nil {
			return
		}
		if len(args) > 2 && args[0] == "evalsha" {
			switch keys, _ := strconv.Atoi(args[2]); args[1] {
			case p.ack:
				acked += len(args) - 3 - keys - p.own
			case p.claim:
				claims++
			}
		}
		if r.Buffered() == 0 {
			p.mu.Lock()
			if p.acked += acked; claims > 0 {
				p.along += acked
			}
			p.mu.Unlock()
			acked, claims = 0, 0
		}
		var b strings.Builder
		_, _ = fmt.Fprintf(&b, "*%d\r\n", len(args)) // a builder takes all
		for _, arg := range args {
			_, _ = fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
		}
		if _, err := io.WriteString(server, b.String()); err != nil {
			return
		}
	}
}

// scriptName is the name under which Redis knows a script.
func scriptName(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(text) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// While there is plenty to do, an acknowledgement and the claim of what takes its place cost one exchange and not two.
func TestClaimsGoAlongWithAcks(t *testing.T) {
	servertest.Needed(t)
	server := servertest.Launch(t, Driver)
	for _, c := range []struct {
		variant, scripts string
		own              int
	}{{"memory", "lua/", 0}, {streamVariant, "stream/lua/", 1}} {
		t.Run(c.variant, func(t *testing.T) {
			v, err := Driver.Variant(c.variant)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			p := &tap{ack: scriptName(t, c.scripts+"ack.lua"), claim: scriptName(t, c.scripts+"claim.lua"), own: c.own}
			u.Host = p.serve(t, u.Host)
			b, err := Driver.Open(t.Context(), u.String(), v)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }() // all is acknowledged
			const tasks = 300
			for i := range tasks {
				if err := b.Publish(t.Context(), brokers.Message{Queue: "q", CorrelationID: strconv.Itoa(i)}); err != nil {
					t.Fatal(err)
				}
			}
			consumer, err := b.Consume(t.Context(), []string{"q"}, 8)
			if err != nil {
				t.Fatal(err)
			}
			for range tasks {
				select {
				case d := <-consumer.Deliveries():
					if err := d.Ack(t.Context()); err != nil {
						t.Fatal(err)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("nothing comes any more")
				}
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.acked != tasks || p.along < 30 { // all but a few, on a machine that does nothing else
				t.Errorf("%d of %d acknowledgements went in one exchange with a claim, want 30 or more of %d", p.along, p.acked, tasks)
			}
		})
	}
}
