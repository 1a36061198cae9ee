package main

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	tests := map[string]string{
		"amqp://guest:hunter2@127.0.0.1:5672/":                                "amqp://guest:xxxxx@127.0.0.1:5672/",
		"redis://:hunter2@127.0.0.1:6379/0":                                   "redis://:xxxxx@127.0.0.1:6379/0",
		"redis://u:hun/ter@2@127.0.0.1/0":                                     "redis://u:xxxxx@127.0.0.1/0",
		"redis=redis://u:hunter2@a,rabbitmq=amqp://u:h@b":                     "redis=redis://u:xxxxx@a,rabbitmq=amqp://u:xxxxx@b",
		`dial "amqp://u:hunter2@h/": refused`:                                 `dial "amqp://u:xxxxx@h/": refused`,
		"postgres://h/db?sslmode=off&password=hunter2&x=1":                    "postgres://h/db?sslmode=off&password=xxxxx&x=1",
		"sentinel://:h@a;sentinel://:h@b/0?master_name=m&sentinel_password=h": "sentinel://:xxxxx@a;sentinel://:xxxxx@b/0?master_name=m&sentinel_password=xxxxx",
		"amqp://127.0.0.1:5672/ and 12:30 me@example":                         "amqp://127.0.0.1:5672/ and 12:30 me@example",
		"redis:aof-always":                                                    "redis:aof-always",
		"nats://:hunter2@h:4222":                                              "nats://:xxxxx@h:4222",
		"couchdb://u:hunter2@h:5984/db":                                       "couchdb://u:xxxxx@h:5984/db",
	}
	for in, want := range tests {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRedactingWriterTellsWholeLength(t *testing.T) {
	var b strings.Builder
	n, err := hideSecrets(&b).Write([]byte("amqp://guest:a-long-password@h"))
	if n != 30 || err != nil {
		t.Errorf("Write = %d, %v: a caller would take it for a short write", n, err)
	}
}
