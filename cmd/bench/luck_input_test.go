package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/harness/lab/engine"
)

// Whatever is wrong with what was asked for is told at once, with the nearest name where there is one, and nothing
// is started: no process, no container, no directory. (TestMistakes has every command's messages to the letter.)
func TestInputMistakes(t *testing.T) {
	files := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const head = "name: luck\nasks: Is it told?\n"
	names := file("names.yaml", head+`workload: {tasks: [{task: nop}]}
load: {shape: constnat, rate: 40/s, for: 5s, warmpu: 1s}
system: {pool: goroutines, acks: lat}
faults:
  - {at: 1s, fault: kil, node: worker}
  - {at: 1s, fault: latency, node: broker, for: 1s, dealy: 5ms}
expect: [losst == 0]
`)
	outside := file("outside.yaml", head+`workload: {tasks: [{task: noop}]}
load: {shape: constant, rate: 40/s, for: 5s}
faults:
  - {at: 6s, fault: kill, node: worker, for: 1s}
  - {at: -1s, fault: kill, node: worker, for: 1s}
expect: [lost == 0]
`)
	broken := file("broken.yaml", "name: luck\n  asks: [unclosed\n")
	tests := map[string]struct {
		args []string
		says []string
	}{
		"names on the command line": {
			[]string{"compare", "--brokers", "memroy,redis:aof-alway", "--pools", "prefrok", "--workload", "nop", "--lab", "embeded", "--rate", "40", "--durtion", "5s", "--under", "worker-kil"},
			[]string{"8 mistakes, nothing was started", `"memroy"`, "did you mean memory?", "did you mean aof-always?", "did you mean prefork?",
				"did you mean noop?", "did you mean embedded?", "did you mean 40/s?", "did you mean worker-kill?", "did you mean --duration?"},
		},
		"names in the file": {
			[]string{"run", names, "--brokers", "memory"},
			[]string{"nothing was started", "names.yaml:3", `"nop": did you mean noop?`, `"constnat": did you mean constant?`, `"warmpu": did you mean warmup?`,
				`"goroutines": did you mean goroutine?`, `"lat": did you mean late?`, `"kil": did you mean kill`, `"dealy": did you mean delay?`, "losst"},
		},
		"faults outside the run": {
			[]string{"run", outside, "--brokers", "memory"},
			[]string{"outside.yaml:6", "6s lies outside the run", "outside.yaml:7", "before the measured load begins"},
		},
		"a shorter run than its faults": {
			[]string{"run", "worker-kill", "--brokers", "memory", "--set", "load.for=2s"},
			[]string{"outside the run"},
		},
		"no YAML":        {[]string{"run", broken}, []string{"broken.yaml:"}},
		"a scenario":     {[]string{"run", "worker-kil", "--brokers", "memory"}, []string{`"worker-kil"; did you mean worker-kill?`}},
		"a setting":      {[]string{"run", "steady", "--brokers", "memory", "--acks", "early"}, []string{"--set system.acks=VALUE"}},
		"a set path":     {[]string{"run", "steady", "--brokers", "memory", "--set", "load.rat=5/s"}, []string{"did you mean rate?"}},
		"a fault listed": {[]string{"list", "fautls"}, []string{"did you mean faults?"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			args := test.args
			if args[0] != "list" {
				args = append(args, "--out", s.out)
			}
			p := s.start(t, args...)
			if code := p.code(t, patience); code != exitUsage || p.stdout.Len() > 0 {
				t.Errorf("exit code %d, stdout %q", code, p.stdout.String())
			}
			wants(t, p.talk(), append(test.says, "--help` shows how it is used")...)
			if strings.Contains(p.talk(), "panic") {
				t.Error(p.talk())
			}
			s.nothingMade(t)
		})
	}
}

// An engine that does not answer keeps nobody from learning of a mistake, or from seeing that it is being asked.
func TestSilentEngine(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	s := newSite(t, "DOCKER_HOST=tcp://"+silent.Addr().String())
	const asking = "compare: looking at what this machine offers"
	for _, args := range [][]string{{"--brokers", "redis,rabitmq"}, {"--workload", "nop"}} {
		p := s.start(t, append([]string{"compare", "--lab", "docker", "--out", s.out}, args...)...)
		if code := p.code(t, patience); code != exitUsage {
			t.Errorf("exit code %d, want %d", code, exitUsage)
		}
		wants(t, p.talk(), "did you mean ")
		if strings.Contains(p.talk(), asking) {
			t.Errorf("it is said that the machine is asked, for a run that cannot be:\n%s", p.talk())
		}
	}
	mine, err := net.Dial("tcp", silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mine.Close() }()
	first, err := silent.Accept() // connections come in the order in which they were made
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if first.RemoteAddr().String() != mine.LocalAddr().String() {
		t.Error("the engine was asked for a run that cannot be")
	}
	p := s.start(t, "compare", "--lab", "docker", "--brokers", "redis", "--out", s.out)
	p.says(t, asking, patience)
	hit(t, p, os.Interrupt)
	if code := p.code(t, patience); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	s.nothingMade(t)
}

// A broken scenario is told on a machine that has nothing to run it on, too.
func TestMistakesComeBeforeTheMachine(t *testing.T) {
	s := newSite(t, "DOCKER_HOST=unix:///nonexistent/docker.sock", "PATH=/nonexistent")
	p := s.start(t, "compare", "--brokers", "redis,rabitmq", "--lab", "docker", "--out", s.out)
	if code := p.code(t, patience); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	wants(t, p.talk(), "did you mean rabbitmq?")
	if strings.Contains(p.talk(), engine.ErrAbsent.Error()) {
		t.Errorf("what the machine lacks hides the mistake:\n%s", p.talk())
	}
	s.nothingMade(t)
}
