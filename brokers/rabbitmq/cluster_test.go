package rabbitmq

import (
	"context"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// What rabbitmqctl says, in 3.10.
func TestStanding(t *testing.T) {
	const status = `warning: the locale is not UTF-8
{"alarms":[],"disk_nodes":["rabbit@b-1","rabbit@b-2","rabbit@b-3"],"running_nodes":["rabbit@b-3","rabbit@b-1"]}`
	queues := func(leader, online string) string {
		return `[{"leader":"rabbit@b-9","name":"other","online":["rabbit@b-9"]},{"leader":"","name":"classic","online":""},` +
			`{"leader":"` + leader + `","name":"celery","online":` + online + `}]`
	}
	for _, c := range []struct {
		queue, says string
		want        brokers.Standing
	}{
		{"", status, brokers.Standing{Up: []string{"b-1", "b-3"}}},
		{"celery", queues("rabbit@b-2", `["rabbit@b-3","rabbit@b-2"]`), brokers.Standing{Leader: "b-2", Replicas: []string{"b-2", "b-3"}}},
		{"celery", queues("rabbit@b-1", `["rabbit@b-3","rabbit@b-2"]`), brokers.Standing{Replicas: []string{"b-2", "b-3"}}},
		{"none", queues("rabbit@b-1", `[]`), brokers.Standing{}},
	} {
		console := brokers.Console{Run: func(context.Context, ...string) (string, error) { return c.says, nil }}
		if got, err := standing(t.Context(), console, c.queue); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("queue %q: %+v, %v; want %+v", c.queue, got, err, c.want)
		}
	}
	console := brokers.Console{Run: func(context.Context, ...string) (string, error) { return "{", nil }}
	if _, err := standing(t.Context(), console, ""); err == nil {
		t.Error("half an answer was understood")
	}
}

// A member is found by the others, and a server alone by nobody.
func TestMemberIsLaunchedToBeFound(t *testing.T) {
	v := variant(t, "cluster")
	text := func(l brokers.Launch) string {
		c := command(l)
		return strings.Join(c.Env, "\n") + c.Files["rabbitmq.conf"]
	}
	alone := text(brokers.Launch{Variant: v, Port: 5672, Container: true})
	joint := text(brokers.Launch{Variant: v, Port: 5672, Container: true, Name: "b-2", Peers: []string{"b-1", "b-2"}, Secret: "s3cret"})
	for _, c := range []struct {
		part         string
		alone, joint bool
	}{
		{"ERL_EPMD_ADDRESS=127.0.0.1", true, false}, {"inet_dist_use_interface", true, false}, {"rabbit-5672@localhost", true, false},
		{"NODENAME=rabbit@b-2", false, true}, {"nodes.1 = rabbit@b-1", false, true}, {"nodes.2 = rabbit@b-2", false, true},
		{"pause_minority", false, true}, {"net_ticktime 5", false, true}, {"COOKIE=s3cret", false, true},
	} {
		if strings.Contains(alone, c.part) != c.alone || strings.Contains(joint, c.part) != c.joint {
			t.Errorf("%s: alone %v, of several %v", c.part, strings.Contains(alone, c.part), strings.Contains(joint, c.part))
		}
	}
}

// Who is refused by one member goes to the next, and begins there the next time.
func TestServersAreTriedInTurn(t *testing.T) {
	s := newServer(t)
	to := newServers("amqp://guest:guest@" + servertest.Nobody(t) + "/;" + s.url)
	for range 2 {
		c, err := to.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hangUp(c)
		if to.last.Load() != 1 {
			t.Errorf("the next begins with %d", to.last.Load())
		}
	}
	b, err := Driver.Open(t.Context(), "amqp://guest:guest@"+servertest.Nobody(t)+"/;"+s.url, variant(t, "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
}

func TestNoServerOfSeveral(t *testing.T) {
	_, err := Driver.Open(t.Context(), "amqp://u:s3cret@"+servertest.Nobody(t)+"/;amqp://u:s3cret@"+servertest.Nobody(t)+"/", variant(t, "cluster"))
	if !brokers.Definite(err) || strings.Contains(err.Error(), "s3cret") || strings.Count(err.Error(), "refused") != 2 {
		t.Errorf("%v", err)
	}
	if _, err := Driver.Open(t.Context(), "amqp://h/;amqp://u:s3cret@h/?max_priority=2", variant(t, "classic")); !brokers.Definite(err) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("of two servers with other priorities: %v", err)
	}
}

// A member that takes the connection and says nothing holds nobody up for longer than its time.
func TestSilentServerIsPassed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := newServer(t)
	began := time.Now()
	c, err := newServers("amqp://guest:guest@" + l.Addr().String() + "/;" + s.url).dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hangUp(c)
	if took := time.Since(began); took < passing || took > passing+10*time.Second {
		t.Errorf("passed after %v", took)
	}
}
