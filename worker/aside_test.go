package worker

import (
	"strings"
	"testing"

	"taskbench/brokers"
)

// Whoever looks for a task by its name or id finds it in the log, whichever protocol its message was of.
func TestTheLogNamesWhatIsKeptAside(t *testing.T) {
	old := func(body string) brokers.Message {
		return brokers.Message{Body: []byte(body), ContentType: "application/json", ContentEncoding: "utf-8"}
	}
	late := task("noop", "late")
	late.Headers["eta"] = "tomorrow"
	stray := old("hello")
	stray.Headers = map[string]any{"id": "stray"}
	for name, c := range map[string]struct {
		m        brokers.Message
		task, id string
	}{
		"protocol 1, unknown":    {old(`{"task": "nobody", "id": "old", "args": []}`), "nobody", "old"},
		"protocol 1, bad eta":    {old(`{"task": "noop", "id": "old", "args": [], "eta": "tomorrow"}`), "noop", "old"},
		"protocol 1, bad kwargs": {old(`{"task": "noop", "id": "old", "args": [], "kwargs": []}`), "noop", "old"},
		"protocol 1, no id":      {old(`{"task": "noop", "args": []}`), "noop", ""},
		"protocol 2, unknown":    {task("nobody", "new"), "nobody", "new"},
		"protocol 2, bad eta":    {late, "noop", "late"},
		"no task":                {old("hello"), "", ""},
		"no task, with an id":    {stray, "", "stray"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			s.put(c.m)
			o := &witness{}
			book, log := newLogbook(t)
			w := beginWith(t, s, Config{Pool: "solo"}, Options{Observer: o, Log: log})
			eventually(t, "the message is kept aside", func() bool { return w.Stats().Malformed == 1 })
			w.stop()
			said := book.of("message kept aside")
			if len(said) != 1 || said[0]["task"] != c.task || said[0]["id"] != c.id {
				t.Errorf("the log says %v, want task %q and id %q", said, c.task, c.id)
			}
			if kinds := kindNames(o.of(c.id)); kinds != "malformed" {
				t.Errorf("observed of %q: %q", c.id, kinds)
			}
		})
	}
}

// What is kept aside is counted, also what was no task to anybody. A task that the worker does not know has failed, and was
// not received: celery-exporter counts Celery's events so.
func TestMetricsOfWhatIsKeptAside(t *testing.T) {
	s := newFake()
	w, h := watched(t, s, Config{Pool: "solo"})
	if _, text := ask(t, h, "/metrics"); !strings.Contains(text, "taskbench_messages_aside_total{hostname=\"w1@lab\"} 0\n") {
		t.Error("before the first one, the counter is not there")
	}
	unknown := task("nobody", "unknown")
	unknown.Queue = "q"
	s.put(brokers.Message{Body: []byte("hello")}, unknown)
	eventually(t, "both are kept aside", func() bool { return w.Stats().Malformed == 2 })
	_, text := ask(t, h, "/metrics")
	for _, want := range []string{
		`taskbench_messages_aside_total{hostname="w1@lab"} 2`,
		`celery_task_failed_total{exception="NotRegistered",hostname="w1@lab",name="nobody",queue_name="q"} 1`,
		`celery_task_received_total{hostname="w1@lab",name="nobody",queue_name="q"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
