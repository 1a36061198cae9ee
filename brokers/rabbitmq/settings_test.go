package rabbitmq

import (
	"maps"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

func variant(t *testing.T, name string) brokers.Variant {
	t.Helper()
	v, err := Driver.Variant(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The parameter is for us: the library gets the rest of the URL as it is.
func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		variant, url, bare string
		args, dead         amqp.Table
	}{
		{"classic", "amqp://u:p%40@h:1/v%2Fw", "amqp://u:p%40@h:1/v%2Fw", nil, nil},
		{"classic", "amqp://h/?heartbeat=9", "amqp://h/?heartbeat=9", nil, nil},
		{"classic", "amqp://u:p%40@h:1/v%2Fw?max_priority=10", "amqp://u:p%40@h:1/v%2Fw", amqp.Table{"x-max-priority": int32(10)}, nil},
		{"transient", "amqps://h/?heartbeat=9&max_priority=255", "amqps://h/?heartbeat=9", amqp.Table{"x-max-priority": int32(255)}, nil},
		{"quorum", "amqp://h/", "amqp://h/", amqp.Table{"x-queue-type": "quorum"}, amqp.Table{"x-queue-type": "quorum"}},
		{"classic", "://", "://", nil, nil}, // the library's to refuse
	} {
		bare, l, err := configure(c.url, variant(t, c.variant))
		if err != nil || bare != c.bare {
			t.Errorf("%s %s: %q, %v", c.variant, c.url, bare, err)
		}
		if got := l.arguments("q"); !maps.Equal(got, c.args) {
			t.Errorf("%s %s: a queue has %v, want %v", c.variant, c.url, got, c.args)
		}
		if got := l.arguments(brokers.DeadLetterQueue("q")); !maps.Equal(got, c.dead) {
			t.Errorf("%s %s: a queue of dead letters has %v, want %v", c.variant, c.url, got, c.dead)
		}
	}
}

func TestMaxPriorityIsRefused(t *testing.T) {
	for _, c := range []struct{ variant, query, says string }{
		{"classic", "max_priority=0", "1 to 255"}, {"classic", "max_priority=256", "1 to 255"}, {"classic", "max_priority=", "1 to 255"},
		{"classic", "max_priority=-1", "1 to 255"}, {"transient", "max_priority=high", "1 to 255"}, {"classic", "max_priority=1&max_priority=2", "1 to 255"},
		{"classic", "max_priority=p@ssword", "percent-encoded"}, {"quorum", "max_priority=10", "variant classic"},
	} {
		_, err := Driver.Open(t.Context(), "amqp://user:s3cret@127.0.0.1:1/?"+c.query, variant(t, c.variant))
		if !brokers.Definite(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, want a Definite error that says %q", c.variant, c.query, err, c.says)
		} else if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "p@ss") {
			t.Errorf("%s %s shows a secret: %v", c.variant, c.query, err)
		}
	}
}

// A queue with priorities is declared as Celery declares one, by a signed integer.
func TestPriorityQueuesAreDeclaredLikeCelerys(t *testing.T) {
	s := newServer(t)
	b, err := Driver.Open(t.Context(), s.url+"?max_priority=10", variant(t, "classic"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if _, err := b.Consume(t.Context(), []string{"q"}, 1); err != nil {
		t.Fatal(err)
	}
	argument := short("x-max-priority") + "I\x00\x00\x00\x0a"
	want := "\x00\x00" + short("q") + "\x02" + "\x00\x00\x00" + string(rune(len(argument))) + argument
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.declared) != 1 || s.declared[0] != want {
		t.Errorf("declared by %q, want %q", s.declared, want)
	}
}
