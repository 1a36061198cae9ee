package harness

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// dumb is a broker that echoes a byte.
type dumb struct{ lab.Node }

func (dumb) Info() lab.Info { return lab.Info{Name: "broker"} }

// A fault that is due when the one before is to be healed begins when it has been: healing takes the proxy's every
// fault away, so that the second would be reported in force and hurt nobody.
func TestFaultsOnTheBrokerFollowEachOther(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
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
	defer p.Close()
	ready := func(ctx context.Context, addr string) (string, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return "", err
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		if _, err := c.Write([]byte{1}); err != nil {
			return "", err
		}
		_, err = io.ReadFull(c, make([]byte, 1))
		return "1", err
	}
	s := &stage{node: dumb{}, proxy: p, url: p.Addr(), start: ledger.Now()}
	s.clock = &clock{watch: func(Progress) {}}
	s.cell.Driver = brokers.Driver{Server: brokers.ServerSpec{Ready: ready}}
	s.cell.Scenario.Faults = []scenario.Fault{
		{Fault: "half-open", Node: "broker", At: 0, For: 200 * time.Millisecond},
		{Fault: "disconnect", Node: "broker", At: 200 * time.Millisecond, For: 600 * time.Millisecond},
	}
	done := s.breakAndHeal(t.Context(), time.Now())
	for _, i := range done {
		if i.err != nil || i.healed == 0 {
			t.Errorf("%s: healed at %d, %v", i.name, i.healed, i.err)
		}
	}
	if done[1].at < done[0].healed {
		t.Errorf("disconnect began at %v, before half-open was healed at %v", time.Duration(done[1].at), time.Duration(done[0].healed))
	}
}
