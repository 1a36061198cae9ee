package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// evidence measures what a worker pays for each event that it writes down.
func evidence(_ context.Context, _ settings) (_ []line, err error) {
	dir, err := os.MkdirTemp("", "taskbench-selfbench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := ledger.OpenEvidence(dir, "worker-1", 1)
	if err != nil {
		return nil, err
	}
	const events = 2_000_000
	began := time.Now()
	for i := range uint64(events) {
		e.Write(ledger.Event{Task: i / 4, Attempt: i / 4, At: ledger.Now(), Kind: ledger.Kind(1 + i%4), Outcome: ledger.OK})
	}
	each := time.Since(began) / events
	if err := e.Close(); err != nil {
		return nil, err
	}
	return []line{{"write an event", each.String(), "at most 2µs", each <= 2*time.Microsecond}}, nil
}

// judge records the history of many tasks, and judges it.
func judge(ctx context.Context, s settings) ([]line, error) {
	run := ledger.NewRun(rand.NewPCG(1, 2))
	start := ledger.Now()
	before := heap()
	r := ledger.NewRecorder(run, start)
	began := time.Now()
	for i := range uint64(s.tasks) {
		at := start + int64(i)*int64(time.Microsecond)
		r.Due(i, at)
		r.PublishStart(i, at+10)
		r.PublishEnd(i, at+1000, ledger.PublishOK)
		e := ledger.Event{Task: i, Attempt: i + 1, At: at + 2000, PID: 1, Node: 1}
		events := [4]ledger.Event{e, e, e, e}
		for k := range events {
			events[k].Kind, events[k].At = ledger.Kind(1+k), e.At+int64(k)*1000
		}
		events[2].Outcome = ledger.OK
		r.Apply(events[:]...)
		if i%100_000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	recorded := time.Since(began)
	perTask := float64(heap()-before) / float64(s.tasks)
	h := r.Freeze(ledger.Meta{Nodes: []string{"broker", "worker-1"}, Drained: true, Left: 0, DrainEnded: int64(s.tasks) * int64(time.Microsecond)})
	began = time.Now()
	report := checks.Run(h)
	judged := time.Since(began)
	if n := report.Counts.Executed; n != s.tasks {
		return nil, fmt.Errorf("the judge saw %d of %d tasks executed", n, s.tasks)
	}
	peak, err := peakMemory()
	if err != nil {
		return nil, err
	}
	// The goals are set for ten million tasks.
	full := s.tasks >= 10_000_000
	// What is there once and not for each task (the index of chunks, the bins of the live counters) is in the figure.
	const once = 0.5
	return []line{
		{"record a task with 4 events", (recorded / time.Duration(s.tasks)).String(), "", true},
		{"memory of a task", fmt.Sprintf("%.1f bytes", perTask), fmt.Sprintf("at most 64 bytes, and %.1f for what is there once", once), perTask <= 64+once},
		{fmt.Sprintf("judge %d tasks", s.tasks), judged.Round(time.Millisecond).String(), goal(full, "within 15s"), judged <= 15*time.Second},
		{"peak memory of this process", fmt.Sprintf("%d MiB", peak>>20), goal(full, "within 2 GiB"), peak <= 2<<30},
	}, nil
}

func goal(applies bool, text string) string {
	if applies {
		return text
	}
	return ""
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
