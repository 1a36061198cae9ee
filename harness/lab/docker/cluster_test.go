package docker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// three is Redis as three servers that know nothing of each other but by name: who is up is who answers the first one.
func three() brokers.Driver {
	d := redis()
	d.Variants = slices.Clone(d.Variants)
	d.Variants[0].Members = 3
	var peers atomic.Pointer[[]string] // the members are launched at once
	command := d.Server.Command
	d.Server.Command = func(l brokers.Launch) brokers.Command {
		peers.Store(&l.Peers)
		if l.Secret == "" || !slices.Contains(l.Peers, l.Name) {
			panic(fmt.Sprintf("launched as %+v", l))
		}
		return command(l)
	}
	d.Server.Cluster.Standing = func(ctx context.Context, c brokers.Console, _ string) (s brokers.Standing, err error) {
		for _, peer := range *peers.Load() {
			if out, err := c.Run(ctx, "timeout", "2", "redis-cli", "-h", peer, "ping"); err == nil && strings.Contains(out, "PONG") {
				s.Up = append(s.Up, peer)
			}
		}
		return s, ctx.Err()
	}
	return d
}

// A cluster is nodes of their own on a network of their own: one of them can be killed, and cut off from the others alone.
// The network goes with them.
func TestCluster(t *testing.T) {
	c := needEngine(t, "redis")
	d := three()
	n, err := newLab(t, Options{}).Start(t.Context(), request(t, d))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = n.Close(context.Background())
		}
	})
	members := n.(lab.Group).Members()
	if info := n.Info(); info.Name != "broker" || len(brokers.URLs(info.URL)) != 3 || len(members) != 3 {
		t.Fatalf("info %+v of %d members", info, len(members))
	}
	up := func() []string {
		t.Helper()
		s, err := d.Server.Cluster.Standing(t.Context(), brokers.Console{Run: members[0].(lab.Insider).Run}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s.Up
	}
	answers := func(n lab.Node) bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := d.Server.Ready(ctx, n.Info().URL)
		return err == nil
	}
	do := func(n lab.Node, a lab.Action) {
		t.Helper()
		if err := n.Do(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if got := up(); len(got) != 3 {
		t.Fatalf("%v are up", got)
	}
	do(members[1], lab.Isolate)
	if got := up(); !slices.Equal(got, []string{"broker-1", "broker-3"}) || !answers(members[1]) {
		t.Errorf("broker-2 is isolated: the first sees %v, clients are answered %v", got, answers(members[1]))
	}
	if err := members[1].Do(t.Context(), lab.Isolate); err == nil {
		t.Error("it was isolated twice")
	}
	do(members[1], lab.Rejoin)
	if got := up(); len(got) != 3 {
		t.Errorf("broker-2 has rejoined, and %v are up", got)
	}
	if err := members[1].Do(t.Context(), lab.Rejoin); err == nil {
		t.Error("it rejoined twice")
	}
	do(members[2], lab.Kill)
	if got := up(); !slices.Equal(got, []string{"broker-1", "broker-2"}) || answers(members[2]) {
		t.Errorf("broker-3 was killed: the first sees %v", got)
	}
	do(members[2], lab.Start)
	if got := up(); len(got) != 3 || !answers(members[2]) {
		t.Errorf("broker-3 was started again, and %v are up", got)
	}
	if n.Can(lab.Isolate) == "" || n.Do(t.Context(), lab.Isolate) == nil {
		t.Error("all of a cluster could be isolated")
	}
	network := members[0].(*node).place.network
	closed = true
	for range 2 { // a second call does nothing
		if err := n.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.NetworkInspect(t.Context(), network, client.NetworkInspectOptions{}); err == nil {
		t.Error("the network of the members is left")
	}
}

func TestClusterHasNoOnePort(t *testing.T) {
	r := request(t, three())
	r.Port = 1
	if _, err := New(Options{}).Start(t.Context(), r); err == nil || !strings.Contains(err.Error(), "leave the port out") {
		t.Errorf("%v", err)
	}
}

// A cluster of which one member cannot start leaves nothing.
func TestClusterThatDoesNotStart(t *testing.T) {
	needEngine(t, "redis")
	d := three()
	command := d.Server.Command
	d.Server.Command = func(l brokers.Launch) brokers.Command {
		if l.Name == "broker-3" {
			return brokers.Command{Args: []string{"redis-server", "--port", net.JoinHostPort("no", strconv.Itoa(l.Port))}}
		}
		return command(l)
	}
	if _, err := newLab(t, Options{}).Start(t.Context(), request(t, d)); err == nil || !strings.Contains(err.Error(), "member broker-3") {
		t.Errorf("%v", err)
	}
}
