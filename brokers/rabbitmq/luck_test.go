package rabbitmq

import (
	"context"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// people are who the server knows: one who may do everything, one who may do nothing, and one who may come once.
const people = `{
	"vhosts": [{"name": "/"}],
	"users": [
		{"name": "guest", "password": "guest", "tags": "administrator"},
		{"name": "none", "password": "s3cr%t", "tags": ""},
		{"name": "once", "password": "s3cr%t", "tags": "", "limits": {"max-connections": 1}}
	],
	"permissions": [
		{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
		{"user": "none", "vhost": "/", "configure": "^$", "write": "^$", "read": "^$"},
		{"user": "once", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
	]
}`

func TestLuck(t *testing.T) {
	lucktest.Run(t, lucktest.Subject{
		Driver: Driver, Variant: Driver.Variants[0],
		URL:        lucktest.URL("amqp", "/", ""),
		Foreign:    "is it RabbitMQ",
		Encryption: &lucktest.Encryption{URL: lucktest.URL("amqps", "/", ""), Advice: "trust who signed"},
		Start:      start,
		Elsewhere: map[string]string{
			"replica":      "AMQP knows no read-only replicas",
			"clocks apart": "a message is held by a connection, and its delays are counted by the server from when it has it",
		},
	})
}

func start(t *testing.T, s *lucktest.Subject) {
	server := servertest.LaunchAs(t, Driver, s.Variant, func(c *brokers.Command, dir string) {
		c.Files["people.json"] = people
		c.Files["rabbitmq.conf"] += "load_definitions = " + path.Join(dir, "people.json") + "\n"
	})
	s.Server = server.URL
	as := func(user, password string) string {
		return strings.Replace(server.URL, "guest:guest", url.UserPassword(user, password).String(), 1)
	}
	opening := func(ctx context.Context, at string, use func(b brokers.Broker) error) error {
		b, err := Driver.Open(ctx, at, s.Variant)
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }()
		return use(b)
	}
	s.Refusals = map[string]lucktest.Refusal{
		"password": {Advice: "check user and password", Meet: func(ctx context.Context) error {
			return opening(ctx, as("guest", lucktest.Secret), func(brokers.Broker) error { return nil })
		}},
		"rights": {Advice: "rabbitmqctl set_permissions", Meet: func(ctx context.Context) error {
			return opening(ctx, as("none", lucktest.Secret), func(b brokers.Broker) error { return b.Publish(ctx, brokers.Message{Queue: "q"}) })
		}},
		"shape": {Advice: "it was declared otherwise: remove it, or", Meet: func(ctx context.Context) error {
			put := func(b brokers.Broker) error { return b.Publish(ctx, brokers.Message{Queue: "odd"}) }
			if err := opening(ctx, server.URL+"?max_priority=5", put); err != nil {
				t.Fatal(err)
			}
			return opening(ctx, server.URL, put)
		}},
		"disk": {Advice: "free space on its disk", Meet: func(ctx context.Context) error {
			_, b := blocked(t)
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			return b.Publish(ctx, brokers.Message{Queue: "q"})
		}},
		"connections": {Advice: "raise the connection limit", Meet: func(ctx context.Context) error {
			return opening(ctx, as("once", lucktest.Secret), func(b brokers.Broker) error {
				if err := b.Publish(ctx, brokers.Message{Queue: "q"}); err != nil {
					return err
				}
				_, err := b.Consume(ctx, []string{"q"}, 1)
				return err
			})
		}},
	}
}
