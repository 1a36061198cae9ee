package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/beanstalkd"
	"taskbench/brokers/memory"
	"taskbench/brokers/mysql"
	"taskbench/brokers/nats"
	"taskbench/brokers/postgres"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
)

// serverOf brings a real server up in a lab. A lab that BENCH_LAB does not ask for by name may be missing.
func serverOf(t *testing.T, d brokers.Driver, where string) Target {
	t.Helper()
	servertest.Needed(t)
	l, _, err := labs.Pick(t.Context(), where, d, d.Variants[0], labs.Options{})
	if err != nil {
		if os.Getenv("BENCH_LAB") != where {
			t.Skipf("this machine has no server for %s: %v", d.Name, err)
		}
		t.Fatal(err)
	}
	n, err := l.Start(t.Context(), lab.Request{
		Driver: d, Variant: d.Variants[0], Name: "broker", LogPath: filepath.Join(t.TempDir(), "broker.log"), Patience: 2 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return Target{Broker: n, Driver: d, Variant: d.Variants[0], Via: n.Info().URL, Rand: rand.New(rand.NewPCG(1, 1))}
}

// Redis reaches each of its limits and is given it back.
func TestLimitsOfRedis(t *testing.T) {
	t.Parallel() // it mostly waits
	target := serverOf(t, redis.Driver, "process")
	if _, proof := apply(t, target, "memory-limit", nil, nil); !strings.Contains(proof, "taken again") {
		t.Errorf("memory-limit: %s", proof)
	}
	if e, _ := apply(t, target, "connection-limit", nil, nil); !strings.Contains(e.Proof, "refused") {
		t.Errorf("connection-limit: %s", e.Proof)
	}
	// With nothing in it there is nothing to evict, and that is told.
	f, err := Find("evict", "broker")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, target, "wipe", nil, nil)
	a, err := f.Args(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inject(t.Context(), target, a); err == nil || !strings.Contains(err.Error(), "nothing to evict") {
		t.Errorf("an eviction of nothing: %v", err)
	}
	if err := publish(t.Context(), target, 10*time.Second); err != nil {
		t.Fatalf("the limit stayed after an injection that failed: %v", err)
	}
	apply(t, target, "evict", nil, nil)
	if err := publish(t.Context(), target, 10*time.Second); err != nil {
		t.Error(err)
	}
}

// A server whose limit of connections cannot be lowered is filled to it with clients that do nothing.
func TestConnectionLimitOfDatabases(t *testing.T) {
	for _, d := range []brokers.Driver{postgres.Driver, mysql.Driver} {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			target := serverOf(t, d, "process")
			e, proof := apply(t, target, "connection-limit", nil, func() {
				if err := publish(t.Context(), target, 10*time.Second); err == nil {
					t.Error("a new client got in")
				}
			})
			if !strings.Contains(e.Proof, "idle clients took all places") || !strings.Contains(e.Proof, "is refused") || !strings.Contains(proof, "answers") {
				t.Errorf("%s; %s", e.Proof, proof)
			}
			if err := publish(t.Context(), target, 10*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

// A limit that does not keep anybody from publishing is said to have had no effect, and is given back.
func TestLimitWithoutAnEffectIsTakenBack(t *testing.T) {
	t.Parallel() // it mostly waits
	target := serverOf(t, redis.Driver, "process")
	restored := false
	target.Driver.Server.Limits = []brokers.Limit{{Name: brokers.LimitMemory,
		Reach: func(context.Context, brokers.Console, string) (string, func(context.Context) error, error) {
			return "nothing at all", func(context.Context) error { restored = true; return nil }, nil
		}}}
	f, err := Find("memory-limit", "broker")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inject(t.Context(), target, Args{}); err == nil || !strings.Contains(err.Error(), "all the same") || !restored {
		t.Errorf("error %v, given back: %v", err, restored)
	}
}

// A container is starved of processor time and of memory, and its data outlive the one that kills it.
func TestResourcesOfAContainer(t *testing.T) {
	target := serverOf(t, redis.Driver, "docker")
	apply(t, target, "cpu-starve", map[string]string{"share": "3%"}, nil)
	e, _ := apply(t, target, "oom", nil, nil)
	if !strings.Contains(e.Proof, "want of memory") {
		t.Errorf("oom: %s", e.Proof)
	}
	if err := publish(t.Context(), target, 10*time.Second); err != nil {
		t.Error(err)
	}
	apply(t, target, "wipe", nil, nil)
}

// RabbitMQ's alarms block publishers and are cleared; so are its other limits reached and given back.
func TestLimitsOfRabbitMQ(t *testing.T) {
	t.Parallel() // it mostly waits
	target := serverOf(t, rabbitmq.Driver, "docker")
	for _, c := range []struct {
		fault            string
		written          map[string]string
		proof, healProof string
	}{
		{"memory-limit", nil, "memory", "taken again"},
		{"disk-limit", nil, "disk", "taken again"},
		{"queue-limit", map[string]string{"length": "3"}, "could not take responsibility", "taken again"},
		{"connection-limit", nil, "access to vhost '/' refused", "answers"},
		{"consumer-timeout", map[string]string{"timeout": "300ms"}, "timed out", "everybody connects again"},
	} {
		if e, proof := apply(t, target, c.fault, c.written, nil); !strings.Contains(e.Proof, "rabbitmqctl") ||
			!strings.Contains(e.Proof, c.proof) || !strings.Contains(proof, c.healProof) {
			t.Errorf("%s: %s; %s", c.fault, e.Proof, proof)
		}
	}
	if held, err := heldBriefly(t.Context(), target, 300*time.Millisecond); err == nil {
		t.Errorf("the consumers' timeout stayed: %s", held)
	}
}

// Of Redis's policies each refuses, or forgets queues, or keeps them and forgets what has an expiry.
func TestPoliciesOfRedis(t *testing.T) {
	target := serverOf(t, redis.Driver, "process")
	for _, policy := range []string{"noeviction", "volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"} {
		e, _ := apply(t, target, "memory-limit", map[string]string{"policy": policy}, nil)
		if !strings.Contains(e.Proof, policy) || !strings.Contains(e.Proof, "OOM") {
			t.Errorf("memory-limit by %s: %s", policy, e.Proof)
		}
	}
	for _, policy := range []string{"allkeys-random", "allkeys-lru", "allkeys-lfu", "volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"} {
		say(t, target, "SET kept x")
		for i := range 20 {
			say(t, target, fmt.Sprintf("SET passing-%d %s EX 3600", i, strings.Repeat("x", 1000)))
		}
		e, _ := apply(t, target, "evict", map[string]string{"policy": policy}, nil)
		if !strings.Contains(e.Proof, policy) || !strings.Contains(e.Proof, "keys evicted") {
			t.Errorf("evict by %s: %s", policy, e.Proof)
		}
		if strings.HasPrefix(policy, "volatile") && say(t, target, "GET kept") != "x" {
			t.Errorf("evict by %s: a key without an expiry is gone", policy)
		}
	}
}

// say says one line to a Redis server, and returns the last line of its answer.
func say(t *testing.T, target Target, line string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", target.Broker.Info().Addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprintf(c, "%s\r\nQUIT\r\n", line); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(answer), "\r\n+OK\r\n"), "\r\n")
	return lines[len(lines)-1]
}

// Which limits a server has is its driver's to say, and where they can be reached its lab's.
func TestLimitsAreUnfitWithAReason(t *testing.T) {
	for _, c := range []struct {
		fault   string
		setting Setting
		want    string
	}{
		{"memory-limit", Setting{Lab: "process", Server: redis.Driver.Server}, ""},
		{"memory-limit", Setting{Lab: "docker", Server: rabbitmq.Driver.Server}, ""},
		{"memory-limit", Setting{Lab: "process", Server: rabbitmq.Driver.Server}, "inside its container"},
		{"memory-limit", Setting{Lab: "external", Server: redis.Driver.Server}, "somebody else's"},
		{"memory-limit", Setting{Lab: "embedded", Library: true}, "library"},
		{"disk-limit", Setting{Lab: "docker", Server: redis.Driver.Server}, "no limit of disk"},
		{"evict", Setting{Lab: "docker", Server: rabbitmq.Driver.Server}, "no limit of eviction"},
		{"connection-limit", Setting{Lab: "docker", Server: redis.Driver.Server}, ""},
		{"connection-limit", Setting{Lab: "process", Server: postgres.Driver.Server}, ""},
		{"connection-limit", Setting{Lab: "process", Server: mysql.Driver.Server}, ""},
		{"connection-limit", Setting{Lab: "docker", Server: rabbitmq.Driver.Server}, ""},
		{"connection-limit", Setting{Lab: "process", Server: rabbitmq.Driver.Server}, "inside its container"},
		{"connection-limit", Setting{Lab: "docker", Server: beanstalkd.Driver.Server}, "no limit of connections"},
		{"queue-limit", Setting{Lab: "docker", Server: rabbitmq.Driver.Server}, ""},
		{"queue-limit", Setting{Lab: "docker", Server: redis.Driver.Server}, "no limit of queue length"},
		{"consumer-timeout", Setting{Lab: "docker", Server: rabbitmq.Driver.Server}, ""},
		{"consumer-timeout", Setting{Lab: "docker", Server: beanstalkd.Driver.Server}, "no limit of holding time"},
		{"memory-limit", Setting{Lab: "docker", Server: redis.Driver.Server, Params: map[string]string{"policy": "volatile-ttl"}}, ""},
		{"memory-limit", Setting{Lab: "docker", Server: rabbitmq.Driver.Server, Params: map[string]string{"policy": "volatile-ttl"}}, "knows no policy"},
		{"pause", Setting{Lab: "embedded", Server: memory.Driver.Server}, "freeze the judge"},
		{"pause", Setting{Lab: "embedded", Server: nats.Driver.Server}, ""}, // a process of its own
		{"connection-limit", Setting{Lab: "embedded", Server: nats.Driver.Server}, "no limit of connections"},
		{"disk-full", Setting{Lab: "embedded", Server: memory.Driver.Server}, "use lab process"},
	} {
		f, err := Find(c.fault, "broker")
		if err != nil {
			t.Fatal(err)
		}
		if why := f.Unfit(c.setting); (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s in lab %s: %q, want %q", c.fault, c.setting.Lab, why, c.want)
		}
	}
}
