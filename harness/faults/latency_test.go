package faults

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy"
)

type echoNode struct{ lab.Node }

func (echoNode) Info() lab.Info { return lab.Info{Name: "broker"} }

// echo is a broker behind a proxy whose protocol is one byte there and back; extra is how long the server thinks.
func echo(t *testing.T, extra *atomic.Int64) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	p, err := proxy.Listen(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	ready := func(ctx context.Context, addr string) (string, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return "", err
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		select {
		case <-time.After(time.Duration(extra.Load())):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if _, err := c.Write([]byte{1}); err != nil {
			return "", err
		}
		_, err = io.ReadFull(c, make([]byte, 1))
		return "1", err
	}
	return Target{
		Broker: echoNode{}, Proxy: p, Via: p.Addr(), Rand: rand.New(rand.NewPCG(1, 1)),
		Driver: brokers.Driver{Server: brokers.ServerSpec{Ready: ready}},
	}
}

func delayed(delay, jitter time.Duration) Args {
	return Args{Params: map[string]time.Duration{"delay": delay, "jitter": jitter}}
}

// The delay is proved also where its jitter is as large as itself, or all there is of it.
func TestLatencyProvesItselfDespiteJitter(t *testing.T) {
	for _, a := range []Args{delayed(30*time.Millisecond, 0), delayed(30*time.Millisecond, 30*time.Millisecond), delayed(0, 60*time.Millisecond)} {
		if least := leastDelay(a.Params["delay"], a.Params["jitter"]); least < 20*time.Millisecond {
			t.Errorf("%v: %v would be proof enough", a.Params, least)
		}
		e, err := latency.Inject(t.Context(), echo(t, new(atomic.Int64)), a)
		if err != nil {
			t.Errorf("%v: %v", a.Params, err)
			continue
		}
		if proof, err := e.Heal(t.Context()); err != nil || proof == "" {
			t.Errorf("%v: healed with %q, %v", a.Params, proof, err)
		}
	}
}

// The way to the broker that is as slow after the healing as before it has not been healed.
func TestLatencyThatStaysIsNotHealed(t *testing.T) {
	var extra atomic.Int64
	e, err := latency.Inject(t.Context(), echo(t, &extra), delayed(30*time.Millisecond, 0))
	if err != nil {
		t.Fatal(err)
	}
	extra.Store(int64(100 * time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if proof, err := e.Heal(ctx); err == nil || !strings.Contains(err.Error(), "after the delay") {
		t.Errorf("healed with %q, %v", proof, err)
	}
	extra.Store(0)
	if proof, err := e.Heal(t.Context()); err != nil || proof == "" {
		t.Errorf("healed with %q, %v", proof, err)
	}
}
