package main

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker/control"
)

// workers are nodes that answer over a memory broker. They note what they are told.
type workers struct {
	url string

	mu   sync.Mutex
	told []string // method and arguments
}

func newWorkers(t *testing.T, handlers map[string]map[string]control.Handler) *workers {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := memory.New()
	server := memory.Serve(l, e)
	w := &workers{url: "memory://" + server.Addr()}
	ctx, stop := context.WithCancel(t.Context())
	var nodes sync.WaitGroup
	for name, own := range handlers {
		n := &control.Node{Name: name, Handlers: map[string]control.Handler{}}
		for method, h := range own {
			n.Handlers[method] = func(ctx context.Context, args map[string]json.RawMessage) (any, error) {
				text, _ := json.Marshal(args) // it came as JSON
				w.mu.Lock()
				w.told = append(w.told, method+" "+string(text))
				w.mu.Unlock()
				return h(ctx, args)
			}
		}
		ready := make(chan struct{})
		nodes.Go(func() {
			if err := n.Serve(ctx, announced{e.Broker().(brokers.Exchanger), ready}); err != nil {
				t.Error(err)
			}
		})
		<-ready
	}
	t.Cleanup(func() {
		stop()
		nodes.Wait()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// announced tells when its subscription is there.
type announced struct {
	brokers.Exchanger
	ready chan struct{}
}

func (a announced) Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	defer close(a.ready)
	return a.Exchanger.Subscribe(ctx, b)
}

func says(value any) control.Handler {
	return func(context.Context, map[string]json.RawMessage) (any, error) { return value, nil }
}

func (w *workers) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

// What workers answer is shown as people read it.
func TestInspect(t *testing.T) {
	var started control.Float = 1795310136.3951938
	sleeping := control.TaskInfo{ID: "t-1", Name: "lab.sleep", Args: []int{25}, Kwargs: map[string]any{}, TimeStart: &started}
	waiting := control.TaskInfo{ID: "t-2", Name: "lab.add", Args: "(1,\t2)", Kwargs: "{'long': '" + strings.Repeat("x", 100) + "'}"}
	evil := control.TaskInfo{ID: "t-3\x1b[2J", Name: "lab.evil\n", Args: []string{"\x1b]0;title\a"}}
	both := map[string]control.Handler{
		"ping":          says(control.OK("pong")),
		"active":        says([]control.TaskInfo{sleeping, evil}),
		"reserved":      says([]control.TaskInfo{}),
		"scheduled":     says([]control.Scheduled{{ETA: "2026-11-22T01:23:56.396722+00:00", Priority: 6, Request: waiting}}),
		"active_queues": says([]control.Queue{control.QueueOf(brokers.Binding{Queue: "celery"})}),
		"registered":    says([]string{"lab.add", "lab.sleep [rate_limit=10/m]"}),
		"revoked":       says([]string{}),
		"report":        says(control.OK("\nsoftware -> x\n  more: 'y'\n")),
		"clock":         says(map[string]int{"clock": 27}),
		"query_task":    says(map[string]control.Found{"t-2": {State: "reserved", Info: waiting}, "t-1": {State: "active", Info: sleeping}}),
		"conf":          says(map[string]any{"include": []string{"a", "b"}, "nothing": nil, "empty": map[string]any{}, "deep": []any{map[string]any{"n": 1}}}),
		"stats":         says(control.Stats{Total: map[string]int64{"lab.sleep": 2}, PID: 7, Clock: "22", Broker: control.BrokerOf("redis://127.0.0.1:6379/3")}),
	}
	w := newWorkers(t, map[string]map[string]control.Handler{"w1@lab": both, "w2@lab": {"ping": says(control.OK("pong"))}})
	var text strings.Builder
	for _, line := range []string{
		"ping", "active -d w1@lab", "reserved -d w1@lab", "scheduled -d w1@lab", "active_queues -d w1@lab", "registered rate_limit -d w1@lab",
		"revoked -d w1@lab", "report -d w1@lab", "clock -d w1@lab", "query_task t-1 t-2 -d w1@lab", "conf -d w1@lab", "stats -d w1@lab",
		"ping --pattern w2@* --json", "clock -d w2@lab", "ping -d w2@lab,w3@lab -t 50ms", "ping -d w3@lab -t 50ms", "ping --namespace other -t 50ms",
	} {
		timeout := " -t 200ms"
		if strings.Contains(line, "-t ") || strings.Contains(line, "-d ") {
			timeout = ""
		}
		code, stdout, stderr := command(t, nil, strings.Fields("inspect "+line+timeout+" --broker "+w.url)...)
		text.WriteString("$ bench inspect " + line + "\n" + stdout + stderr + "exit code " + string(rune('0'+code)) + "\n\n")
	}
	golden(t, "remote/inspect", text.String())
	if got := strings.Join(w.heard(), "\n"); !strings.Contains(got, `registered {"taskinfoitems":["rate_limit"]}`) || !strings.Contains(got, `query_task {"ids":["t-1","t-2"]}`) {
		t.Errorf("workers were asked\n%s", got)
	}
}

// Commands arrive with the arguments that Celery's own have.
func TestControl(t *testing.T) {
	handlers := map[string]control.Handler{}
	for method := range controls {
		handlers[method] = says(control.OK("done"))
	}
	handlers["autoscale"] = func(context.Context, map[string]json.RawMessage) (any, error) {
		return nil, control.Raise("ValueError", "Autoscale not enabled")
	}
	w := newWorkers(t, map[string]map[string]control.Handler{"w1@lab": handlers})
	for line, want := range map[string]string{
		"revoke a b":                  `revoke {"signal":null,"task_id":["a","b"],"terminate":false}`,
		"revoke a --terminate":        `revoke {"signal":null,"task_id":["a"],"terminate":true}`,
		"revoke a --signal kill":      `revoke {"signal":"SIGKILL","task_id":["a"],"terminate":true}`,
		"terminate SIGUSR1 a":         `terminate {"signal":"SIGUSR1","task_id":["a"]}`,
		"rate_limit lab.add 10/m":     `rate_limit {"rate_limit":"10/m","task_name":"lab.add"}`,
		"rate_limit lab.add 0":        `rate_limit {"rate_limit":0,"task_name":"lab.add"}`,
		"time_limit lab.add 5 1.5s":   `time_limit {"hard":1.5,"soft":5,"task_name":"lab.add"}`,
		"time_limit lab.add 1m":       `time_limit {"hard":null,"soft":60,"task_name":"lab.add"}`,
		"time_limit lab.add 0 0":      `time_limit {"hard":null,"soft":null,"task_name":"lab.add"}`,
		"pool_grow":                   `pool_grow {"n":1}`,
		"pool_shrink 2":               `pool_shrink {"n":2}`,
		"pool_restart":                `pool_restart {"modules":null,"reload":false}`,
		"add_consumer q":              `add_consumer {"exchange":null,"exchange_type":"direct","queue":"q","routing_key":null}`,
		"add_consumer q ex topic a.#": `add_consumer {"exchange":"ex","exchange_type":"topic","queue":"q","routing_key":"a.#"}`,
		"cancel_consumer q":           `cancel_consumer {"queue":"q"}`,
		"enable_events":               `enable_events {}`,
		"disable_events":              `disable_events {}`,
	} {
		code, stdout, stderr := command(t, nil, strings.Fields("control "+line+" -d w1@lab --broker "+w.url)...)
		if got := strings.Join(w.heard(), "\n"); code != exitOK || stdout != "w1@lab: done\n" || got != want {
			t.Errorf("%s: exit code %d, %s%sworkers were told\n%s, want\n%s", line, code, stdout, stderr, got, want)
		}
	}
	code, stdout, _ := command(t, nil, "control", "autoscale", "5", "1", "-d", "w1@lab", "--broker", w.url)
	if got := w.heard(); code != exitFailed || stdout != "w1@lab: refused: ValueError('Autoscale not enabled')\n" || got[0] != `autoscale {"max":5,"min":1}` {
		t.Errorf("a refusal: exit code %d, %s, told %s", code, stdout, got)
	}
	code, stdout, stderr := command(t, nil, "control", "shutdown", "--broker", w.url)
	if code != exitOK || stdout != "" || stderr != "bench: shutdown is sent; workers do not answer it\n" {
		t.Errorf("shutdown: exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestRemoteMistakes(t *testing.T) {
	var text strings.Builder
	for _, line := range []string{
		"inspect", "inspect pingg --broker memory://127.0.0.1:1", "inspect ping extra --broker sqlite:///x -d a --pattern b* --timeout 0s",
		"inspect query_task --broker redis://127.0.0.1:1", "control", "control revoke --url x", "control terminate TREM a --broker redis://127.0.0.1:1",
		"control rate_limit t 10/d --broker redis://127.0.0.1:1", "control time_limit t 5x --broker redis://127.0.0.1:1 --signal SIGFOO",
		"control time_limit t 5 -1s --broker redis://127.0.0.1:1", "control pool_grow 0 --broker redis://127.0.0.1:1 --terminate",
		"control autoscale 3 x --broker redis://127.0.0.1:1", "control add_consumer q e round --broker redis://127.0.0.1:1", "control ping --broker redis://127.0.0.1:1",
	} {
		code, stdout, stderr := command(t, nil, strings.Fields(line)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q", line, code, stdout)
		}
		text.WriteString("$ bench " + line + "\n" + stderr + "\n")
	}
	golden(t, "usage/remote", text.String())
}

func TestNobodyToConnectTo(t *testing.T) {
	code, _, stderr := command(t, nil, "inspect", "ping", "--broker", "memory://127.0.0.1:1")
	if code != exitEnvironment || !strings.Contains(stderr, "connect to the broker") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
