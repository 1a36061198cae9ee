package rabbitmq_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/servertest"
)

// A message that nobody can work off ends in the dead letter queue, and one that has expired does not.
func TestWhatComesBackTooOftenIsKept(t *testing.T) {
	b, v := quorum(t)
	limit, err := strconv.Atoi(v.Settings["delivery-limit"])
	if err != nil {
		t.Fatal(err)
	}
	const queue = "my.queue"
	expiring := brokers.Message{Queue: queue, CorrelationID: "expires", Expiration: time.Millisecond}
	err = errors.Join(b.Publish(t.Context(), expiring), b.Publish(t.Context(), brokers.Message{Queue: queue, CorrelationID: "published", Body: []byte("poison")}),
		b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: queue, CorrelationID: "delayed", Body: []byte("poison")}, time.Now().Add(2*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Consume(t.Context(), []string{queue}, 1)
	if err != nil {
		t.Fatal(err)
	}
	handed := map[string]int{}
	for range 2 * (limit + 1) {
		d := servertest.Next(t, c, patience)
		handed[d.Message().CorrelationID]++
		if err := d.Nack(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]int{"published": limit + 1, "delayed": limit + 1}; !maps.Equal(handed, want) {
		t.Errorf("handed out %v, want %v", handed, want)
	}
	dead, err := b.Consume(t.Context(), []string{brokers.DeadLetterQueue(queue)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for range 2 {
		d := servertest.Next(t, dead, patience)
		kept[d.Message().CorrelationID] = string(d.Message().Body)
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]string{"published": "poison", "delayed": "poison"}; !maps.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	servertest.Quiet(t, c, time.Second)
	servertest.Quiet(t, dead, time.Second)
}

// Servers of quorum queues are told the limit, and others are not.
func TestServersAreToldTheLimit(t *testing.T) {
	v, err := rabbitmq.Driver.Variant("quorum")
	if err != nil {
		t.Fatal(err)
	}
	c := rabbitmq.Driver.Server.Command(brokers.Launch{Variant: v, Dir: "/d", Port: 1})
	if conf := c.Files["rabbitmq.conf"]; !strings.Contains(conf, "load_definitions = /d/definitions.json\n") || !strings.Contains(c.Files["definitions.json"], `"delivery-limit":20`) {
		t.Errorf("configuration:\n%s%s", conf, c.Files["definitions.json"])
	}
	classic := rabbitmq.Driver.Server.Command(brokers.Launch{Variant: rabbitmq.Driver.Variants[0], Dir: "/d", Port: 1})
	if strings.Contains(classic.Files["rabbitmq.conf"], "definitions") {
		t.Error("classic queues have a limit, which they do not know")
	}
}

// What has a name as long as can be is a queue as before.
func TestLongestNamesOfQuorumQueues(t *testing.T) {
	b, _ := quorum(t)
	for _, length := range []int{200, 255} {
		if err := b.Publish(t.Context(), brokers.Message{Queue: strings.Repeat("x", length)}); err != nil {
			t.Errorf("a name of %d bytes: %v", length, err)
		}
	}
}

// quorum is a server of quorum queues, as a lab starts it, and its variant.
func quorum(t *testing.T) (brokers.Broker, brokers.Variant) {
	t.Helper()
	servertest.Needed(t)
	v, err := rabbitmq.Driver.Variant("quorum")
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.LaunchAs(t, rabbitmq.Driver, v, func(*brokers.Command, string) {})
	b, err := rabbitmq.Driver.Open(t.Context(), s.URL, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, v
}
