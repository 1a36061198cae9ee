package faults

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/proxy"
)

// hurts tells, for each fault of the network, whether a side feels it.
var hurts = map[string]func(ctx context.Context, t Target, s proxy.Side) bool{
	"disconnect": unheard, "half-open": unheard, "blackhole": unheard,
	"latency": func(ctx context.Context, t Target, s proxy.Side) bool {
		took, err := roundTrip(ctx, t, []proxy.Side{s})
		return err == nil && took >= 60*time.Millisecond
	},
	"bandwidth": func(ctx context.Context, t Target, s proxy.Side) bool {
		held := t.Proxy.Counts().Held
		_, err := exchange(ctx, t, []proxy.Side{s})
		return err == nil && t.Proxy.Counts().Held > held
	},
	"slow-close": func(ctx context.Context, t Target, s proxy.Side) bool {
		_, err := ending(ctx, t.Proxy.AddrOf(s), 400*time.Millisecond)
		return err != nil
	},
}

func unheard(ctx context.Context, t Target, s proxy.Side) bool {
	return probe(ctx, t, t.ways([]proxy.Side{s})[0], 300*time.Millisecond) != nil
}

// Every fault of the network meets the side that it is meant for, leaves the other alone, and is gone after its healing.
func TestNetworkFaultsMeetTheirSide(t *testing.T) {
	params := map[string]map[string]string{
		"latency": {"delay": "40ms"}, "bandwidth": {"rate": "1KiB"}, "slow-close": {"delay": "500ms"}, "blackhole": {"direction": fromBroker},
	}
	for name, feels := range hurts {
		for _, who := range side.Choices {
			t.Run(name+"/"+who, func(t *testing.T) {
				t.Parallel()
				f, err := Find(name, "broker")
				if err != nil {
					t.Fatal(err)
				}
				written := map[string]string{"side": who}
				for k, v := range params[name] {
					written[k] = v
				}
				a, err := f.Args(time.Second, written)
				if err != nil {
					t.Fatal(err)
				}
				target := proxied(t, new(atomic.Int64))
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				e, err := f.Inject(ctx, target, a)
				if err != nil || e.Proof == "" {
					t.Fatalf("injected with %q, %v", e.Proof, err)
				}
				for _, s := range proxy.Sides {
					if want := who == "both" || who == string(s); feels(ctx, target, s) != want {
						t.Errorf("the %s feel it: %v", s, !want)
					}
				}
				proof, err := e.Heal(ctx)
				if err != nil || proof == "" {
					t.Errorf("healed with %q, %v", proof, err)
				}
				for _, s := range proxy.Sides {
					if _, err := labtest.Ask(ctx, target.Proxy.AddrOf(s), "version"); err != nil {
						t.Errorf("the %s do not get through after the healing: %v", s, err)
					}
				}
				t.Logf("%s; %s", e.Proof, proof)
			})
		}
	}
}

// A side that is not meant and cannot reach the broker shows that the fault met more than it should.
func TestNetworkFaultThatMeetsTheOtherSideIsTakenBack(t *testing.T) {
	f, err := Find("disconnect", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, map[string]string{"side": "workers"})
	if err != nil {
		t.Fatal(err)
	}
	target := proxied(t, new(atomic.Int64))
	target.SendVia = target.Via
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := f.Inject(ctx, target, a); err == nil || !strings.Contains(err.Error(), "who are not meant") {
		t.Errorf("error %v", err)
	}
	if _, err := labtest.Ask(ctx, target.Proxy.Addr(), "version"); err != nil {
		t.Errorf("it stayed in force: %v", err)
	}
}

// A reset meets what is open, counts it, and lets new connections in.
func TestResetCounts(t *testing.T) {
	target := proxied(t, new(atomic.Int64))
	for range 3 {
		hold(t, target.Proxy.AddrOf(proxy.Publishers))
	}
	hold(t, target.Proxy.AddrOf(proxy.Workers))
	f, err := Find("reset", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, map[string]string{"side": "publishers"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Inject(t.Context(), target, a)
	if want := "3 connections of publishers reset"; err != nil || e.Proof != want {
		t.Fatalf("proof %q, %v; want %q", e.Proof, err, want)
	}
	if proof, err := e.Heal(t.Context()); err != nil || proof == "" {
		t.Errorf("healed with %q, %v", proof, err)
	}
	if n := target.Proxy.Counts(); n.Cut != 3 || n.Open < 1 {
		t.Errorf("%+v", n)
	}
}

// hold opens a connection that stays, and sees that it goes all the way.
func hold(t *testing.T, addr string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintln(c, "version"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
}
