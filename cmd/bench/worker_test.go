package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker"
	"taskbench/worker/control"
	"taskbench/worker/message"
)

// exchange starts a memory broker that processes can reach, and connects to it.
func exchange(t *testing.T) (url string, x brokers.Exchanger) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := memory.New()
	server := memory.Serve(l, e)
	t.Cleanup(func() { _ = server.Close(); _ = e.Close() }) // neither fails for good
	b := e.Broker()
	return memory.Driver.Server.URL(server.Addr()), b.(brokers.Exchanger)
}

// asks gives the workers a command until so many have answered.
func asks(t *testing.T, x brokers.Exchanger, method string, nodes int) (replies map[string]string) {
	t.Helper()
	until(t, fmt.Sprintf("%d workers answer %s", nodes, method), patience, func() bool {
		got, err := control.Send(t.Context(), x, control.Request{Method: method, Timeout: 300 * time.Millisecond})
		replies = map[string]string{}
		for node, raw := range got {
			replies[node] = string(raw)
		}
		return err == nil && len(replies) == nodes
	})
	return replies
}

func TestWorkerFlagsOfCelery(t *testing.T) {
	url, x := exchange(t)
	s := newSite(t)
	state := filepath.Join(t.TempDir(), "state")
	p := s.start(t, "worker", "--broker", url, "-n", "w1@h", "-Q", "a,b,app_{{id}}", "-X", "b", "--value", "id=7", "-c", "3", "-P", "goroutine", "-E", "-O", "fair",
		"--prefetch-multiplier", "2", "--time-limit", "90", "--soft-time-limit", "1m", "--statedb", state, "--without-gossip", "--without-mingle", "-l", "warn", "--max-deliveries", "0",
		"--results", "db+sqlite:///"+filepath.Join(t.TempDir(), "results"))
	conf := asks(t, x, "conf", 1)["w1@h"]
	wants(t, conf, `"queues":["a","app_7"]`, `"concurrency":3`, `"pool":"goroutine"`, `"worker_send_task_events":true`, `"prefetch":6`,
		`"task_time_limit":90000000000`, `"task_soft_time_limit":60000000000`, `"without_mingle":true`, `"max_deliveries":-1`)
	if strings.Contains(conf, url) {
		t.Errorf("conf tells the broker's url, which may hold a password: %s", conf)
	}
	if _, err := control.Send(t.Context(), x, control.Request{Method: "shutdown", Cast: true}); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("after a remote shutdown it left with %d: %s", code, p.talk())
	}
}

// --bind gives a queue a binding: what is published to the exchanges, under keys that fit, is done.
func TestWorkerBindings(t *testing.T) {
	url, x := exchange(t)
	s := newSite(t)
	s.start(t, "worker", "--broker", url, "-n", "w@h", "-P", "goroutine",
		"--bind", "orders=shop:direct:paid", "--bind", "news=press:topic:sport.#", "--bind", "all=radio:fanout:")
	asks(t, x, "ping", 1)
	want := 0
	for _, p := range []struct {
		exchange brokers.Exchange
		key      string
		reaches  bool
	}{
		{brokers.Exchange{Name: "shop", Kind: brokers.Direct, Durable: true}, "owed", false},
		{brokers.Exchange{Name: "shop", Kind: brokers.Direct, Durable: true}, "paid", true},
		{brokers.Exchange{Name: "press", Kind: brokers.Topic, Durable: true}, "politics", false},
		{brokers.Exchange{Name: "press", Kind: brokers.Topic, Durable: true}, "sport.ball.foot", true},
		{brokers.Exchange{Name: "radio", Kind: brokers.Fanout, Durable: true}, "any", true},
	} {
		m, err := message.New("bench.noop", fmt.Sprint("id-", p.exchange.Name, p.key), nil, nil, message.Options{})
		if err == nil {
			err = x.Route(t.Context(), p.exchange, p.key, m)
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.reaches {
			want++
		}
		total := fmt.Sprintf(`"total":{"bench.noop":%d}`, want)
		if want > 0 {
			until(t, p.exchange.Name+" "+p.key+": "+total, patience, func() bool { return strings.Contains(asks(t, x, "stats", 1)["w@h"], total) })
		}
	}
}

func TestWorkerBindingsThatAreMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"q": "want QUEUE=EXCHANGE:KIND:KEY", "q=e": "want QUEUE=EXCHANGE:KIND:KEY", "=e:topic:k": "want QUEUE=EXCHANGE:KIND:KEY",
		"q=e:round:k": `the kind "round" of an exchange is none of direct, topic and fanout`, "q=e:": `the kind "" of an exchange is none of direct, topic and fanout`,
	} {
		code, _, stderr := command(t, nil, "worker", "--broker", "memory://127.0.0.1:1", "--bind", text)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("--bind %s: exit code %d, %s", text, code, stderr)
		}
	}
}

// bench control pool_restart replaces every child of a worker that lets it, and of no other.
func TestWorkerWithPoolRestarts(t *testing.T) {
	url, x := exchange(t)
	s := newSite(t)
	s.start(t, "worker", "--broker", url, "-n", "open@h", "-P", "prefork", "-c", "2", "--pool-restarts")
	s.start(t, "worker", "--broker", url, "-n", "shut@h", "-P", "prefork", "-c", "2")
	children := func(node string) []int {
		var stats control.Stats
		if err := json.Unmarshal([]byte(asks(t, x, "stats", 2)[node]), &stats); err != nil {
			t.Fatal(err)
		}
		return stats.Pool.Processes
	}
	before := map[string][]int{}
	for _, node := range []string{"open@h", "shut@h"} {
		until(t, node+" has its children", patience, func() bool { before[node] = children(node); return len(before[node]) == 2 })
	}
	code, stdout, stderr := command(t, nil, "control", "pool_restart", "--broker", url, "-d", "open@h,shut@h", "-t", "20s")
	wants(t, stdout, "open@h: reload started", "shut@h: refused: ValueError('Pool restarts not enabled')")
	if code != exitFailed {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	until(t, "other children", patience, func() bool {
		now := children("open@h")
		return len(now) == 2 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before["open@h"], pid) })
	})
	if now := children("shut@h"); !slices.Equal(slices.Sorted(slices.Values(now)), slices.Sorted(slices.Values(before["shut@h"]))) {
		t.Errorf("the children of the worker that refused were %v and are %v", before["shut@h"], now)
	}
}

func TestSizesAndTimesAsCeleryWritesThem(t *testing.T) {
	for text, want := range map[string]int64{"1024": 1 << 20, "256MiB": 256 << 20} {
		if got, err := parseKiB(text); err != nil || got != want {
			t.Errorf("parseKiB(%q) = %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "0.5": 500 * time.Millisecond, "2m": 2 * time.Minute} {
		if got, err := parseTimeLimit(text); err != nil || got != want {
			t.Errorf("parseTimeLimit(%q) = %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]worker.Autoscale{"10,3": {Max: 10, Min: 3}, "4": {Max: 4}} {
		if got, err := parseAutoscale(text); err != nil || got != want {
			t.Errorf("parseAutoscale(%q) = %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]int{"0": -1, "20": 20} {
		if got, err := parseDeliveries(text); err != nil || got != want {
			t.Errorf("parseDeliveries(%q) = %v, %v", text, got, err)
		}
	}
	if _, err := parseDeliveries("-1"); err == nil {
		t.Error("parseDeliveries takes -1")
	}
	for _, text := range []string{"", "-1", "0", "x", "NaN"} {
		if _, err := parseKiB(text); err == nil {
			t.Errorf("parseKiB(%q) takes it", text)
		}
		if _, err := parseTimeLimit(text); err == nil {
			t.Errorf("parseTimeLimit(%q) takes it", text)
		}
		if _, err := parseAutoscale(text); err == nil {
			t.Errorf("parseAutoscale(%q) takes it", text)
		}
	}
}

// Several workers run under one command, come back when they die and not when they are stopped, and leave with it.
func TestWorkerMulti(t *testing.T) {
	url, x := exchange(t)
	s := newSite(t)
	dir := t.TempDir()
	p := s.start(t, "worker", "multi", "--workers", "2", "--broker", url, "-n", "w%i@h", "-P", "solo", "--pidfile", filepath.Join(dir, "%i.pid"))
	pid := func(i int) int {
		raw, _ := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)+".pid"))
		n, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
		return n
	}
	replies := asks(t, x, "ping", 2)
	if replies["w1@h"] != `{"ok":"pong"}` || replies["w2@h"] != `{"ok":"pong"}` {
		t.Errorf("answers: %v", replies)
	}
	first := pid(1)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the killed worker is another process", patience, func() bool { n := pid(1); return n != first && n != 0 })
	asks(t, x, "ping", 2)
	pids := []int{pid(1), pid(2)}
	if _, err := control.Send(t.Context(), x, control.Request{Method: "shutdown", Cast: true, Destination: []string{"w2@h"}}); err != nil {
		t.Fatal(err)
	}
	p.says(t, "worker 2 has stopped as it was told to", patience)
	asks(t, x, "ping", 1)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.code(t, patience)
	for _, n := range pids {
		if alive(n) {
			t.Errorf("worker process %d has outlived the command", n)
		}
	}
}

func TestAPIDFileOfALivingProcessIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	living := strconv.Itoa(os.Getppid())
	if err := os.WriteFile(path, []byte(living), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePID(path); err == nil || !strings.Contains(err.Error(), living) {
		t.Errorf("it was written over: %v", err)
	}
	if err := os.WriteFile(path, []byte("999999999"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePID(path); err != nil {
		t.Error(err)
	}
}

// What is wrong with a URL is told once, and not tried again.
func TestWorkerWithAURLThatIsAMistake(t *testing.T) {
	code, _, stderr := command(t, nil, "worker", "--broker", "rabbitmq", "--url", "amqp://u:s3cret@127.0.0.1:1/?max_priority=0", "--pool", "solo")
	if code != exitUsage || !strings.Contains(stderr, "1 to 255") || strings.Contains(stderr, "s3cret") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestWorkerMultiWantsOneBeat(t *testing.T) {
	s := newSite(t)
	args := []string{"worker", "multi", "--broker", "memory://127.0.0.1:1", "-B", "-s", "file"}
	for _, lock := range []string{"", "none"} {
		p := s.start(t, append(args, "--lock", lock)...)
		if code := p.code(t, patience); code != exitUsage {
			t.Errorf("lock %q: it left with %d: %s", lock, code, p.talk())
		}
		wants(t, p.talk(), "--lock says where they agree")
	}
}

func TestResultsForEver(t *testing.T) {
	var s workerSetup
	c := &cobra.Command{}
	s.flags(newApp(nil, io.Discard, io.Discard), c)
	if got := s.resultOptions().Lifetime(); got != 24*time.Hour {
		t.Errorf("results are kept for %v unless told otherwise, want a day", got)
	}
	if err := c.ParseFlags([]string{"--result-expires", "0s"}); err != nil {
		t.Fatal(err)
	}
	if got := s.resultOptions().Lifetime(); got != 0 {
		t.Errorf("with 0 they are kept for %v, want for ever", got)
	}
}

// A worker with a beat sends what is due, and runs it.
func TestWorkerWithABeat(t *testing.T) {
	url, x := exchange(t)
	s := newSite(t)
	dir := t.TempDir()
	schedule := filepath.Join(dir, "tasks.yaml")
	text := "entries:\n  tick: {task: bench.noop, schedule: every 1s}\n"
	if err := os.WriteFile(schedule, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.start(t, "worker", "--broker", url, "-n", "w@h", "-P", "goroutine", "-B", "-s", schedule)
	until(t, "a tick was executed", patience, func() bool {
		return strings.Contains(asks(t, x, "stats", 1)["w@h"], `"total":{"bench.noop":`)
	})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("it left with %d: %s", code, p.talk())
	}
	if _, err := os.Stat(schedule + ".state"); err != nil {
		t.Errorf("the beat has not written down what it sent: %v", err)
	}
}

// A beat that cannot run is not left out in silence.
func TestWorkerWithABeatThatFails(t *testing.T) {
	url, _ := exchange(t)
	s := newSite(t)
	p := s.start(t, "worker", "--broker", url, "-P", "goroutine", "-B", "-s", filepath.Join(t.TempDir(), "missing.yaml"))
	if code := p.code(t, patience); code == exitOK {
		t.Errorf("it left with %d: %s", code, p.talk())
	}
	wants(t, p.talk(), "beat:", "missing.yaml")
}
