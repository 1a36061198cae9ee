package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every mistake of a command line is told at once, before anything starts, with what was probably meant.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("name: bad\nasks: Is it?\nworkload: {tasks: [{task: oi}]}\nload: {rate: 200, for: 5s}\nfaults:\n  - {at: 9s, fault: kil, node: broker}\nexpct: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	tests := map[string][]string{
		"command":           {"comapre", "--brokers", "redis"},
		"flag":              {"compare", "--broker", "redis", "--pool=prefork", "-x"},
		"flag-value-absent": {"compare", "--rate", "fast", "--out"},
		"compare-all": {"compare", "--brokers", "rediss,memory:aof,memory", "--pools", "preforc,thread", "--workload", "cpu,mixd", "--rate", "200",
			"--duration", "10", "--warmup", "-1s", "--workers", "0", "--concurrency", "x", "--acks", "later", "--repeat", "0", "--seed", "-7",
			"--lab", "dcoker", "--image", "redis", "--shape", "round", "--max-memory-per-child", "lots", "--bogus", "extra"},
		"compare-url":      {"compare", "--url", "redis=127.0.0.1:6379", "--url", "rabbitmq=redis://:hunter2@127.0.0.1:5672", "-o", "x", "--output", "y"},
		"doctor-scheme":    {"doctor", "redis", "--url", ":hunter2@127.0.0.1:6379"},
		"worker-url":       {"worker", "--broker", "redis:memory", "--url", "amqp://127.0.0.1:1/"},
		"help":             {"help", "comapre"},
		"compare-keys":     {"compare", "--brokers", "memory", "--url", "rediss=redis://:hunter2@127.0.0.1", "--image", "reddis=x"},
		"compare-lab":      {"compare", "--lab", "embeded"},
		"run-no-scenario":  {"run"},
		"run-scenario":     {"run", "brokerkill", "--brokers", "memory"},
		"run-no-file":      {"run", "absent.yaml"},
		"run-no-result":    {"run", "."},
		"run-bad-file":     {"run", "bad.yaml", "--brokers", "memroy"},
		"run-bad-set":      {"run", "steady", "--brokers", "memory", "--set", "load.rat=1/s", "--set", "system.acks=never"},
		"list":             {"list", "broker", "faults", "scenaroi"},
		"doctor":           {"doctor", "memroy"},
		"doctor-url":       {"doctor", "--url", "redis://:hunter2@127.0.0.1:1"},
		"up":               {"up"},
		"up-port":          {"up", "memory", "--port", "99999"},
		"worker":           {"worker", "--pool", "preforc", "--acks", "never"},
		"worker-scheme":    {"worker", "--broker", "amqps+x://u:hunter2@127.0.0.1/"},
		"send":             {"send", "iio", "--broker", "memory", "-n", "0"},
		"report":           {"report"},
		"report-absent":    {"report", "absent"},
		"diff":             {"diff", "one"},
		"images":           {"images", "bild"},
		"images-list":      {"images", "list", "--jsno"},
		"version-argument": {"version", "please"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := command(t, nil, args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if stdout != "" {
				t.Errorf("stdout is for results, and got %q", stdout)
			}
			golden(t, "usage/"+name, "$ bench "+redact(strings.Join(args, " "))+"\n"+stderr)
			if strings.Contains(stderr, "hunter2") {
				t.Error("a password was printed")
			}
		})
	}
}

// The help of every command is part of its interface.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		t.Run(strings.Join(append([]string{"bench"}, path...), "-"), func(t *testing.T) {
			code, stdout, stderr := command(t, nil, append(path, "--help")...)
			if code != exitOK || stderr != "" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			golden(t, "help/"+strings.Join(append([]string{"bench"}, path...), "-"), stdout)
		})
		for _, sub := range c.Commands() {
			if sub.Hidden {
				continue
			}
			walk(sub, append(append([]string{}, path...), sub.Name()))
		}
	}
	a := newApp(nil, nil, nil)
	fake(t, a)
	walk(a.root(), nil)
}

func TestHelpNamesTheExitCodes(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"compare", "--help"}, {"run", "--help"}} {
		_, stdout, _ := command(t, nil, args...)
		for _, code := range []string{"  0 ", "  1 ", "  2 ", "  3 ", "  4 ", "  130 "} {
			if !strings.Contains(stdout, "\n"+code) {
				t.Errorf("bench %s does not name exit code%s", strings.Join(args, " "), code)
			}
		}
	}
}
