package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/nats"
	"taskbench/brokers/servertest"
	"taskbench/harness"
	"taskbench/harness/lab/labs"
)

// A run that names no broker takes all that the machine has.
func TestDefaultBrokers(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	servertest.FakeGo(t, "/bin/true", nil) // nothing has been made
	path := t.TempDir()
	t.Setenv("PATH", path)
	var said strings.Builder
	choose := func(w where) []string {
		said.Reset()
		a := newApp(nil, nil, &said)
		if w.lab == "" {
			w.lab = labs.Auto
		}
		return a.chooseBrokers(t.Context(), w)
	}
	if got := choose(where{}); !slices.Contains(got, "sqlite") || !slices.Contains(got, "memory") || slices.Contains(got, "redis") {
		t.Errorf("with Go alone: %q, want the embedded ones", got)
	}
	if err := os.WriteFile(filepath.Join(path, "redis-server"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := choose(where{}); !slices.Contains(got, "redis") || !slices.Contains(got, "sqlite") || slices.Contains(got, "rabbitmq") {
		t.Errorf("with redis-server on PATH: %q, want redis too", got)
	}
	if text := said.String(); !strings.Contains(text, "left out") || !strings.Contains(text, "rabbitmq") || strings.Contains(text, "redis") {
		t.Errorf("with redis-server alone on PATH it is said:\n%s", text)
	}
	if got := choose(where{urls: map[string]string{"rabbitmq": "no URL at all"}}); !slices.Contains(got, "rabbitmq") || !slices.Contains(got, "redis") {
		t.Errorf("with a URL for rabbitmq: %q, want it too, be the URL good or bad", got)
	}
	if got := choose(where{lab: labs.Embedded}); slices.Contains(got, "redis") || len(got) == 0 {
		t.Errorf("in the embedded lab: %q", got)
	}
	process := where{lab: labs.Process, brokers: []string{"all:all"}}
	if got := choose(process); !slices.Contains(got, "redis:stream") || slices.Contains(got, "redis:sentinel") || slices.Contains(got, "sqlite:wal") {
		t.Errorf("of all in lab process: %q, want the variants of redis that are one server", got)
	}
	if text := said.String(); !strings.Contains(text, " redis:sentinel, ") || !strings.Contains(text, " sqlite, ") {
		t.Errorf("of all in lab process with redis-server it is said:\n%s", text)
	}
	process.brokers = []string{"sqlite:all", "redis:sentinel", "redis:all"}
	if got := choose(process); len(got) != 8 || !slices.Contains(got, "sqlite:wal") || strings.Count(said.String(), "redis:sentinel") != 1 {
		t.Errorf("with what was named and is not there: %q, want it too, for the plan to say why not\n%s", got, said.String())
	}
	if got := choose(where{lab: labs.Docker}); !slices.Equal(got, driverNames()) {
		t.Errorf("without an engine in lab docker: %q, want those whose lack is then told", got)
	}
}

// A server that Go makes is offered once it is made; who names its broker has it made.
func TestBrokersThatGoMakes(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	servertest.FakeGo(t, "/bin/true", nil)
	path := os.Getenv("PATH")
	t.Setenv("PATH", filepath.SplitList(path)[0]) // that Go, and no server
	compare := func(args ...string) (int, string) {
		code, _, stderr := command(t, ending(harness.Pass, nil), append([]string{"compare", "--pools", "goroutine", "--out", filepath.Join(t.TempDir(), "result")}, args...)...)
		return code, stderr
	}
	const first = "nats-server v2.15.2 is not here yet: Go builds it now, once"
	for _, lab := range []string{labs.Auto, labs.Embedded} {
		if code, said := compare("--lab", lab); code != exitOK || strings.Contains(said, "nats:file") || strings.Contains(said, first) {
			t.Errorf("lab %s, before it is made: exit code %d\n%s", lab, code, said)
		}
		if code, said := compare("--lab", lab, "--brokers", "nats"); code != exitOK || strings.Count(said, first) != 1 {
			t.Errorf("lab %s, named: exit code %d\n%s", lab, code, said)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if code, said := compare("--lab", labs.Embedded, "--brokers", "nats"); code != exitEnvironment || !strings.Contains(said, "install Go") {
		t.Errorf("named, without Go: exit code %d\n%s", code, said)
	}
	t.Setenv("PATH", path)
	if _, err := nats.Driver.Server.Program.Make(t.Context(), brokers.Workbench{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	for lab, in := range map[string]string{labs.Auto: labs.Process, labs.Embedded: labs.Embedded} {
		code, said := compare("--lab", lab)
		if fields := strings.Fields(said[strings.Index(said, "nats:file"):]); code != exitOK || fields[1] != in || strings.Contains(said, first) {
			t.Errorf("lab %s, once it is made: exit code %d\n%s", lab, code, said)
		}
	}
}

// The word all stands for brokers, for variants, or for both.
func TestAllBrokers(t *testing.T) {
	var variants []string
	for _, name := range brokerNames() {
		if strings.Contains(name, ":") {
			variants = append(variants, name)
		}
	}
	for asked, want := range map[string][]string{
		"all":              driverNames(),
		"all:all":          variants,
		"sqlite:all":       {"sqlite:wal", "sqlite:wal-full", "sqlite:kombu"},
		"memory,mysql:all": {"memory", "mysql:lease", "mysql:lease-async", "mysql:kombu"},
		"redis:stream":     {"redis:stream"},
		"reddis:all":       {"reddis:all"}, // a mistake, and told as such
		"all:quorum":       {"all:quorum"},
		"":                 nil,
	} {
		w := where{}
		if asked != "" {
			w.brokers = strings.Split(asked, ",")
		}
		if got := w.named(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
	code, _, stderr := command(t, nil, "compare", "--lab", "embedded", "--brokers", "reddis:all", "--out", filepath.Join(t.TempDir(), "result"))
	if code != exitUsage || !strings.Contains(stderr, "did you mean redis?") {
		t.Errorf("a broker that is not known: exit code %d\n%s", code, stderr)
	}
}
