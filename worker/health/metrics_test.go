package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// lines are the metrics, without help and what the Go runtime and the process add.
func lines(t *testing.T, s Source, m *Metrics) map[string]bool {
	t.Helper()
	code, body := get(t, Handler(s, m), "/metrics")
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	all := map[string]bool{}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "# HELP") && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "process_") {
			all[strings.TrimSpace(line)] = true
		}
	}
	return all
}

// The names and labels are those of celery-exporter: dashboards and alerts ask for them.
func TestMetricsHaveTheNamesThatDashboardsAskFor(t *testing.T) {
	m := NewMetrics("w1@lab")
	m.Sent("lab.add", "celery")
	for range 3 {
		m.Received("lab.add", "celery")
		m.Started("lab.add", "celery")
	}
	m.Succeeded("lab.add", "celery", 30*time.Millisecond)
	m.Failed("lab.add", "celery", "ValueError")
	m.Retried("lab.add", "celery")
	m.Revoked("lab.add", "other-queue")
	m.Rejected("lab.add", "celery")
	status := good(time.Now())
	status.Busy, status.Waiting = 5, 2
	depth := func(_ context.Context, q string) (int, error) {
		if q == "broken" {
			return 0, errors.New("cannot count")
		}
		return 12, nil
	}
	got := lines(t, Source{
		Node: "w1@lab", Queues: []string{"celery", "broken"}, Status: func() Status { return status }, Depth: depth, Dropped: func() uint64 { return 7 },
		Aside: func() uint64 { return 4 },
	}, m)
	for _, want := range []string{
		`# TYPE celery_task_received_total counter`,
		`# TYPE celery_task_runtime histogram`,
		`celery_task_sent_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_task_received_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 3`,
		`celery_task_started_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 3`,
		`celery_task_succeeded_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_task_failed_total{exception="ValueError",hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_task_retried_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_task_revoked_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 0`,
		`celery_task_revoked_total{hostname="w1@lab",name="lab.add",queue_name="other-queue"} 1`,
		`celery_task_rejected_total{hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_task_runtime_bucket{hostname="w1@lab",name="lab.add",queue_name="celery",le="0.025"} 0`,
		`celery_task_runtime_bucket{hostname="w1@lab",name="lab.add",queue_name="celery",le="0.05"} 1`,
		`celery_task_runtime_count{hostname="w1@lab",name="lab.add",queue_name="celery"} 1`,
		`celery_worker_up{hostname="w1@lab"} 1`,
		`celery_worker_tasks_active{hostname="w1@lab"} 5`,
		`celery_queue_length{queue_name="celery"} 12`,
		`celery_active_worker_count{queue_name="celery"} 1`,
		`celery_active_process_count{queue_name="celery"} 8`,
		`taskbench_worker_hung{hostname="w1@lab"} 0`,
		`taskbench_worker_slots{hostname="w1@lab"} 8`,
		`taskbench_worker_tasks_waiting{hostname="w1@lab"} 2`,
		`taskbench_events_dropped_total{hostname="w1@lab"} 7`,
		`# TYPE taskbench_messages_aside_total counter`,
		`taskbench_messages_aside_total{hostname="w1@lab"} 4`,
	} {
		if !got[want] {
			t.Errorf("missing: %s", want)
		}
	}
	if got[`celery_queue_length{queue_name="broken"} 0`] {
		t.Error("a queue that could not be counted is said to be empty")
	}
	status.Connected = false
	if got := lines(t, Source{Node: "w1@lab", Status: func() Status { return status }}, nil); !got[`celery_worker_up{hostname="w1@lab"} 0`] {
		t.Error("a worker without a broker is said to be up")
	}
}

// Whoever can publish could otherwise fill the memory of worker and Prometheus with names.
func TestStrangersCannotMakeSeriesWithoutEnd(t *testing.T) {
	m := NewMetrics("w")
	m.Received("known", "q")
	for i := range 3 * maxTasks {
		m.Received(fmt.Sprint("task", i), "q")
		m.Failed("known", "q", fmt.Sprint("Error", i))
	}
	m.Received("known", "q")
	got := lines(t, Source{Status: func() Status { return Status{} }}, m)
	if len(got) > 50*maxTasks {
		t.Errorf("%d lines", len(got))
	}
	for _, want := range []string{
		`celery_task_received_total{hostname="w",name="known",queue_name="q"} 2`,
		fmt.Sprintf(`celery_task_received_total{hostname="w",name="other",queue_name="q"} %d`, 2*maxTasks+1),
		fmt.Sprintf(`celery_task_failed_total{exception="other",hostname="w",name="known",queue_name="q"} %d`, 3*maxTasks-maxClasses),
	} {
		if !got[want] {
			t.Errorf("missing: %s", want)
		}
	}
	if len(m.tasks) > maxTasks {
		t.Errorf("%d tasks are kept", len(m.tasks))
	}
}

func TestNobodyWatches(t *testing.T) {
	var m *Metrics
	m.Received("a", "q")
	m.Succeeded("a", "q", time.Second)
	m.Failed("a", "q", "E")
}

func BenchmarkCount(b *testing.B) {
	m := NewMetrics("w")
	b.ReportAllocs()
	for b.Loop() {
		m.Started("lab.add", "celery")
	}
}

func BenchmarkSucceeded(b *testing.B) {
	m := NewMetrics("w")
	b.ReportAllocs()
	for b.Loop() {
		m.Succeeded("lab.add", "celery", time.Millisecond)
	}
}
