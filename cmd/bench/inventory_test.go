package main

import (
	"encoding/json"
	"strings"
	"testing"

	"taskbench/scenarios"
)

// What can be named is listed, and each thing says what it is.
func TestEverythingIsListed(t *testing.T) {
	code, stdout, stderr := command(t, nil, "list", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var all map[string][]item
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		t.Fatal(err)
	}
	for kind := range inventory {
		if len(all[kind]) == 0 {
			t.Errorf("there are no %s", kind)
		}
		for _, i := range all[kind] {
			if i.Name == "" || i.Doc == "" {
				t.Errorf("%s %q says nothing of itself", kind, i.Name)
			}
			for _, p := range i.Params {
				if p.Name == "" || p.Doc == "" {
					t.Errorf("%s %s: parameter %q says nothing of itself", kind, i.Name, p.Name)
				}
			}
		}
	}
	_, stdout, _ = command(t, nil, "list", "brokers", "pools")
	for _, want := range []string{"BROKERS\n", "redis:aof-always", "\nPOOLS\n", "prefork"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("bench list brokers pools does not say %q:\n%s", want, stdout)
		}
	}
}

// Every workload is one that a scenario could have, and every task is in one.
func TestWorkloads(t *testing.T) {
	run := map[string]bool{}
	for _, name := range workloadNames() {
		s, err := workload(name)
		if err != nil {
			t.Errorf("workload %s: %v", name, err)
		}
		if s.Workload.Name != name {
			t.Errorf("workload %s calls itself %s", name, s.Workload.Name)
		}
		for _, m := range s.Workload.Tasks {
			run[m.Task] = true
		}
	}
	for _, task := range scenarios.Known().Tasks {
		if !run[task.Name] {
			t.Errorf("task %s is in no workload: add one", task.Name)
		}
	}
}

func TestCompletion(t *testing.T) {
	tests := []struct {
		args []string
		want []string
	}{
		{[]string{"run", "broker-"}, []string{"broker-kill", "broker-pause"}},
		{[]string{"doctor", "redis:aof-a"}, []string{"redis:aof-always"}},
		{[]string{"compare", "--brokers", "memory,redis:mem"}, []string{"memory,redis:memory"}},
		{[]string{"compare", "--pools", "pre"}, []string{"prefork"}},
		{[]string{"compare", "--workload", "cpu,no"}, []string{"cpu,noop"}},
		{[]string{"worker", "--pool", ""}, []string{"goroutine", "green", "prefork", "solo", "threads"}},
		{[]string{"list", "fa"}, []string{"faults"}},
	}
	for _, test := range tests {
		code, stdout, _ := command(t, nil, append([]string{"__complete"}, test.args...)...)
		var got []string
		for line := range strings.Lines(stdout) {
			if line[0] != ':' {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if code != exitOK || strings.Join(got, " ") != strings.Join(test.want, " ") {
			t.Errorf("completion of %q: exit code %d, %q, want %q", test.args, code, got, test.want)
		}
	}
}
