package faults

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/proxy"
)

// proxied is a broker behind a proxy that answers one line with another; extra is how long the server thinks.
func proxied(t *testing.T, extra *atomic.Int64) Target {
	t.Helper()
	s, err := labtest.Serve("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p, err := proxy.Listen(t.Context(), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	d := labtest.Driver()
	ask := d.Server.Ready
	d.Server.Ready = func(ctx context.Context, url string) (string, error) {
		select {
		case <-time.After(time.Duration(extra.Load())):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		return ask(ctx, url)
	}
	return Target{Broker: named{}, Proxy: p, Via: d.Server.URL(p.AddrOf(proxy.Workers)), SendVia: d.Server.URL(p.AddrOf(proxy.Publishers)), Rand: rand.New(rand.NewPCG(1, 1)), Driver: d}
}

type named struct{ lab.Node }

func (named) Info() lab.Info { return lab.Info{Name: "broker"} }

func delayed(delay, jitter time.Duration) Args {
	a, err := latency.Args(0, map[string]string{"delay": delay.String(), "jitter": jitter.String()})
	if err != nil {
		panic(err)
	}
	return a
}

// The delay is proved also where its jitter is as large as itself, or all there is of it.
func TestLatencyProvesItselfDespiteJitter(t *testing.T) {
	for _, a := range []Args{delayed(30*time.Millisecond, 0), delayed(30*time.Millisecond, 30*time.Millisecond), delayed(0, 60*time.Millisecond)} {
		if least := leastDelay(param[time.Duration](a, "delay"), param[time.Duration](a, "jitter")); least < 20*time.Millisecond {
			t.Errorf("%v: %v would be proof enough", a.params, least)
		}
		e, err := latency.Inject(t.Context(), proxied(t, new(atomic.Int64)), a)
		if err != nil {
			t.Errorf("%v: %v", a.params, err)
			continue
		}
		if proof, err := e.Heal(t.Context()); err != nil || proof == "" {
			t.Errorf("%v: healed with %q, %v", a.params, proof, err)
		}
	}
}

// The way to the broker that is as slow after the healing as before it has not been healed.
func TestLatencyThatStaysIsNotHealed(t *testing.T) {
	var extra atomic.Int64
	e, err := latency.Inject(t.Context(), proxied(t, &extra), delayed(30*time.Millisecond, 0))
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
