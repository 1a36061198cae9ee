package main

import (
	"strings"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/brokers/servertest"
)

// The word all has the doctor examine every variant: what keeps it from one does not keep it from the next.
func TestDoctorOfAllVariants(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	d, _, err := all.Find("redis")
	if err != nil {
		t.Fatal(err)
	}
	for asked, variants := range map[string]int{"redis:all": len(d.Variants), "redis:stream": 1, "redis": 1} {
		code, stdout, stderr := command(t, nil, "doctor", asked, "--lab", "docker")
		if told := strings.Count(stderr, "broker redis cannot run in lab docker"); code != exitEnvironment || stdout != "" || told != variants {
			t.Errorf("%s: exit code %d, %d variants were tried, want %d\n%s%s", asked, code, told, variants, stdout, stderr)
		}
	}
	_, _, stderr := command(t, nil, "doctor", "redis:all", "--lab", "docker")
	for _, v := range d.Variants {
		wants(t, stderr, "redis:"+v.Name+": ")
	}
	if code, _, stderr := command(t, nil, "doctor", "reddis:all"); code != exitUsage || !strings.Contains(stderr, "did you mean redis?") {
		t.Errorf("a broker that is not known: exit code %d\n%s", code, stderr)
	}
}

// A server that somebody else runs is held to the contract, and goes on as it was.
func TestDoctorOfAServerAtAURL(t *testing.T) {
	servertest.Needed(t)
	t.Parallel() // it mostly waits
	d, v, err := all.Find("redis:memory")
	if err != nil {
		t.Fatal(err)
	}
	server := servertest.Launch(t, d)
	p := start(t, t.TempDir(), "doctor", "redis:"+v.Name, "--url", server.URL)
	if code := p.code(t, 3*time.Minute); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, p.stdout.String(), p.talk())
	}
	wants(t, p.stdout.String(), "  ok    delivers-once", "redis:memory: ", "clauses hold")
	wants(t, p.talk(), "in lab external")
	if err := roundTrip(t.Context(), server.URL); err != nil {
		t.Errorf("the server afterwards: %v", err)
	}
}
