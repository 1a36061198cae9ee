package rabbitmq

import (
	"context"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestServerHasEverythingOfItsOwn(t *testing.T) {
	l := brokers.Launch{Dir: "/d", Host: "127.0.0.1", Port: 7001, Variant: Driver.Variants[0]}
	first, again := command(l), command(l)
	if !slices.Equal(first.Args, again.Args) || first.Files["rabbitmq.conf"] != again.Files["rabbitmq.conf"] {
		t.Error("a restart differs")
	}
	env := map[string]string{}
	for _, e := range first.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	for _, name := range []string{
		"HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE", "RABBITMQ_PID_FILE", "RABBITMQ_CONFIG_FILE", "RABBITMQ_CONFIG_FILES",
		"RABBITMQ_ADVANCED_CONFIG_FILE", "RABBITMQ_ENABLED_PLUGINS_FILE", "RABBITMQ_CONF_ENV_FILE",
	} {
		if !strings.HasPrefix(env[name], "/d") {
			t.Errorf("%s is %q, outside the server's directory", name, env[name])
		}
	}
	if env["ERL_EPMD_PORT"] == "4369" || env["RABBITMQ_DIST_PORT"] == "25672" || env["ERL_EPMD_PORT"] == env["RABBITMQ_DIST_PORT"] {
		t.Errorf("ports %s and %s are not its own", env["ERL_EPMD_PORT"], env["RABBITMQ_DIST_PORT"])
	}
	if conf := first.Files["rabbitmq.conf"]; !strings.Contains(conf, "listeners.tcp.1 = 127.0.0.1:7001\n") || !strings.Contains(conf, "loopback_users = none\n") {
		t.Errorf("configuration:\n%s", conf)
	}
	if name := env["RABBITMQ_NODENAME"]; name != "rabbit-7001@localhost" {
		t.Errorf("node %s: the data would be lost with the host's name", name)
	}
}

func TestContainersUseTheUsualPorts(t *testing.T) {
	c := command(brokers.Launch{Dir: "/var/lib/rabbitmq", Host: "0.0.0.0", Port: 5672, Container: true})
	if !slices.Contains(c.Env, "ERL_EPMD_PORT=4369") || !slices.Contains(c.Env, "RABBITMQ_DIST_PORT=25672") {
		t.Errorf("environment %v", c.Env)
	}
}

func TestVariants(t *testing.T) {
	for name, want := range map[string]brokers.Durability{"classic": brokers.PageCache, "quorum": brokers.Fsync, "transient": brokers.Memory} {
		v, err := Driver.Variant(name)
		if err != nil || v.Durability != want || v.Promised(brokers.SurvivesKill) != (want != brokers.Memory) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if v.Promised(brokers.CountsUnacked) {
			t.Errorf("%s promises to count what AMQP does not tell", name)
		}
	}
}

// A classic queue that is bounded before it knows that it is to refuse drops what it has beyond the bound.
func TestQueuesLearnToRefuseBeforeTheyAreBounded(t *testing.T) {
	commands, err := bounded(t.Context(), brokers.Console{Run: func(context.Context, ...string) (string, error) { return "[]", nil }}, "7")
	if err != nil || len(commands) != 2 {
		t.Fatalf("%q, %v", commands, err)
	}
	first, last := strings.Join(commands[0], " "), strings.Join(commands[1], " ")
	if strings.Contains(first, "max-length") || !strings.Contains(first, "reject-publish") {
		t.Errorf("first %s", first)
	}
	if !strings.Contains(last, `"max-length":7`) || !strings.Contains(last, "reject-publish") {
		t.Errorf("then %s", last)
	}
	if _, err := bounded(t.Context(), brokers.Console{}, "many"); err == nil {
		t.Error("a length that is no number was taken")
	}
}
