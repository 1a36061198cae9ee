package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness/lab/port"
	"taskbench/worker/control"
	"taskbench/worker/event"
)

// A page is written by one goroutine and looked at by another.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func newPage() *page { return &page{grew: make(chan struct{}, 1)} }

func (p *page) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.grew <- struct{}{}:
	default:
	}
	return p.text.Write(text)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *page) waits(t *testing.T, text string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(p.String(), text) {
		select {
		case <-p.grew:
		case <-limit:
			t.Fatalf("no %q in:\n%s", text, p.String())
		}
	}
}

// A watched broker has a worker that sends events, and `bench events` that listens.
type watched struct {
	url       string
	broker    brokers.Broker
	sender    *event.Sender
	out, errs *page
	code      chan int
	end       context.CancelFunc
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	l, err := port.Listen()
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server, err := memory.Driver.Server.Embedded(t.Context(), brokers.Launch{Host: "127.0.0.1", Port: at.Port})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{url: memory.Driver.Server.URL(at.String())}
	w.broker, err = memory.Driver.Open(t.Context(), w.url, memory.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	w.sender = event.NewSender(event.Options{Hostname: "w1@lab", Interval: -1, Status: func() event.Status {
		return event.Status{Active: 1, Processed: 42, Version: "1.2"}
	}})
	w.sender.Enable()
	t.Cleanup(func() { _, _ = w.broker.Close(), server.Close() })
	return w
}

// listen starts the command, and returns when no event is missed any more.
func (w *watched) listen(t *testing.T, args ...string) {
	t.Helper()
	w.out, w.errs, w.code = newPage(), newPage(), make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	w.end = cancel
	a := newApp(append([]string{"events", "--broker", w.url}, args...), w.out, w.errs)
	go func() { w.code <- a.execute(ctx) }()
	w.errs.waits(t, "listening")
}

// A wire is a connection that tells when its first event was taken.
type wire struct {
	brokers.Exchanger
	online chan struct{}
	once   sync.Once
}

func (w *wire) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	err := w.Exchanger.Route(ctx, e, key, m)
	w.once.Do(func() { close(w.online) })
	return err
}

// work sends events of a worker and its tasks.
func (w *watched) work(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	through := &wire{Exchanger: w.broker.(brokers.Exchanger), online: make(chan struct{})}
	go func() { defer close(done); w.sender.Run(ctx, through) }()
	<-through.online
	w.sender.Received(event.Task{ID: "id-1", Name: "lab.add", Args: "(2, 3)", Kwargs: "{}"})
	w.sender.Started("id-1")
	w.sender.Succeeded("id-1", "5", 7*time.Millisecond)
	w.sender.Received(event.Task{ID: "id-2", Name: "lab.\x1b[2Jevil", Args: "()", Kwargs: "{}"})
	w.sender.Failed("id-2", "ValueError('boom')", "Traceback")
	w.sender.Revoked("id-3", event.Revocation{Expired: true})
	if err := w.sender.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
}

func (w *watched) exit(t *testing.T) int {
	t.Helper()
	select {
	case code := <-w.code:
		return code
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return 0
	}
}

func TestEventsAreShownAndRecorded(t *testing.T) {
	w := newWatched(t)
	dump := filepath.Join(t.TempDir(), "events.jsonl")
	w.listen(t, "--dump", dump)
	w.work(t)
	w.out.waits(t, "worker-offline")
	w.end() // as an interrupt does
	if code := w.exit(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, w.errs)
	}
	for _, want := range []string{
		"w1@lab  worker-online  1 active, 42 processed, load 0.00  taskbench 1.2\n",
		"w1@lab  task-received  lab.add[id-1]  (2, 3)  {}\n",
		"w1@lab  task-succeeded  lab.add[id-1]  7ms  5\n",
		"w1@lab  task-failed  lab.\uFFFD[2Jevil[id-2]  ValueError('boom')\n",
		"w1@lab  task-revoked  ?[id-3]  expired\n",
		"8 events in ",
		"8 recorded in " + dump,
		"w1@lab  offline  1       42         taskbench 1.2\n",
		"lab.add       1      1 success\n",
	} {
		if !strings.Contains(w.out.String(), want) {
			t.Errorf("no %q in:\n%s", want, w.out)
		}
	}
	var types []string
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		types = append(types, fmt.Sprint(e["type"]))
	}
	want := []string{"task-received", "task-started", "task-succeeded", "task-received", "task-failed", "task-revoked"}
	if got := slices.DeleteFunc(types, func(s string) bool { return strings.HasPrefix(s, "worker-") }); !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

// An interrupt is how a person ends it, and no failure.
func TestEventsInterrupted(t *testing.T) {
	w := newWatched(t)
	p := start(t, t.TempDir(), "events", "--broker", w.url)
	p.says(t, "listening", 20*time.Second)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t, 20*time.Second); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.talk())
	}
	if !strings.Contains(p.stdout.String(), "0 events in ") {
		t.Errorf("no summary in %q", p.stdout.String())
	}
}

func TestEventsForMachines(t *testing.T) {
	for _, flag := range []string{"--json", "--dump=-"} {
		w := newWatched(t)
		w.listen(t, flag, "--type", "task-s*", "--for", "2s")
		w.work(t)
		if code := w.exit(t); code != exitOK {
			t.Errorf("%s: exit code %d\n%s", flag, code, w.errs)
		}
		var types []string
		for dec := json.NewDecoder(strings.NewReader(w.out.String())); dec.More(); {
			var e map[string]any
			if err := dec.Decode(&e); err != nil {
				t.Fatal(err)
			}
			types = append(types, fmt.Sprint(e["type"]))
		}
		if want := []string{"task-started", "task-succeeded"}; !slices.Equal(types, want) {
			t.Errorf("%s: got %v, want %v", flag, types, want)
		}
		if !strings.Contains(w.errs.String(), "2 events in 2") {
			t.Errorf("%s: no summary in %s", flag, w.errs)
		}
	}
}

// A full disk must be told of, and must not look like an end.
func TestEventsWithFullDisk(t *testing.T) {
	w := newWatched(t)
	w.listen(t, "--dump", "/dev/full")
	w.work(t)
	if code := w.exit(t); code != exitEnvironment {
		t.Errorf("exit code %d, want %d", code, exitEnvironment)
	}
	if want := "record events in /dev/full: no space left on device; 0 events are recorded"; !strings.Contains(w.errs.String(), want) {
		t.Errorf("no %q in %s", want, w.errs)
	}
}

// A worker whose task events are off is asked for them.
func TestEventsEnables(t *testing.T) {
	w := newWatched(t)
	w.sender.Disable()
	enabled := make(chan struct{})
	node := control.Node{Name: "w1@lab", Handlers: map[string]control.Handler{
		"heartbeat": func(context.Context, map[string]json.RawMessage) (any, error) { return nil, nil },
		"enable_events": func(context.Context, map[string]json.RawMessage) (any, error) {
			if w.sender.Enable() {
				close(enabled)
			}
			return map[string]string{"ok": "task events enabled"}, nil
		},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = node.Serve(ctx, w.broker.(brokers.Exchanger)) }()
	w.listen(t, "--enable")
	defer func() { w.end(); w.exit(t) }()
	select {
	case <-enabled:
	case <-time.After(2 * askEvery):
		t.Fatal("nobody asked")
	}
	w.work(t)
	w.out.waits(t, "task-succeeded")
}

func TestEventsMistakes(t *testing.T) {
	code, _, stderr := command(t, nil, "events", "--type", "[", "--for", "0s", "--json", "--dump", "-")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"4 mistakes", "where is the broker", "--type [", "must be above 0", "both write events to stdout"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
	code, _, stderr = command(t, nil, "events", "--broker", "redis://127.0.0.1:1/0")
	if code != exitEnvironment || !strings.Contains(stderr, "redis") {
		t.Errorf("no server: exit code %d, %s", code, stderr)
	}
	w := newWatched(t)
	code, _, stderr = command(t, nil, "events", "--broker", w.url, "--dump", filepath.Join(t.TempDir(), "no", "such"))
	if code != exitUsage || !strings.Contains(stderr, "no such file or directory") {
		t.Errorf("no directory: exit code %d, %s", code, stderr)
	}
}
