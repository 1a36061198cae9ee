package event_test

import (
	"context"
	"net"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker/event"
)

// serve starts a broker on a free port and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	var failed error
	for range 10 { // somebody else may take the port in between
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr)
		_ = l.Close()
		server, err := memory.Driver.Server.Embedded(t.Context(), brokers.Launch{Host: "127.0.0.1", Port: at.Port})
		if err == nil {
			t.Cleanup(func() { _ = server.Close() })
			return memory.Driver.Server.URL(at.String())
		}
		failed = err
	}
	t.Fatal(failed)
	return ""
}

// One sender and one receiver over a broker's server: everything arrives once and in order, whatever the batches.
func TestOverABroker(t *testing.T) {
	url := serve(t)
	open := func() brokers.Exchanger {
		b, err := memory.Driver.Open(t.Context(), url, memory.Driver.Variants[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b.(brokers.Exchanger)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := event.NewSender(event.Options{Hostname: "w1@lab", Status: func() event.Status { return event.Status{Processed: 7} }})
	s.Enable()
	publish, consume := open(), open()
	const tasks = 500
	state := event.NewState(tasks, 1)
	last, finished := int64(0), false
	listening, leave := context.WithCancel(ctx)
	r := event.Receiver{Clock: new(event.Clock)}
	err := r.Listen(listening, consume, func() {
		go s.Run(ctx, publish)
		go func() {
			for i := range tasks {
				id := string(rune('a'+i%26)) + time.Duration(i).String()
				s.Received(event.Task{ID: id, Name: "lab.add", Args: "(2, 3)", Kwargs: "{}"})
				s.Started(id)
				s.Succeeded(id, "5", time.Millisecond)
			}
			if err := s.Stop(ctx); err != nil {
				t.Error(err)
			}
		}()
	}, func(e event.Event) {
		if e.Clock <= last {
			t.Errorf("clock %d after %d", e.Clock, last)
		}
		last = e.Clock
		state.Apply(e)
		if e.Type == "worker-offline" {
			finished = true
			leave()
		}
	})
	leave()
	if err != nil || !finished || s.Dropped() > 0 || r.Broken() > 0 {
		t.Fatalf("err %v, finished %v, %d dropped, %d broken", err, finished, s.Dropped(), r.Broken())
	}
	done := 0
	for _, v := range state.Tasks() {
		if v.State == event.Success && v.Name == "lab.add" && v.Runtime == time.Millisecond {
			done++
		}
	}
	if w := state.Workers(); done != tasks || len(w) != 1 || w[0].Processed != 7 || w[0].Alive(time.Now()) {
		t.Errorf("%d of %d tasks, workers %+v", done, tasks, w)
	}
}
