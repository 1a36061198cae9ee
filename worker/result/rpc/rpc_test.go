package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/result"
	"taskbench/worker/result/resulttest"
)

// sent is one client's backend, and a worker's which answers it.
type sent struct {
	*Backend
	worker *Backend
}

func (s sent) Store(ctx context.Context, r result.Record) error {
	r.ReplyTo = s.Backend.ReplyTo()
	return s.worker.Store(ctx, r)
}

func (s sent) Close() error { return errors.Join(s.Backend.Close(), s.worker.Close()) }

// shared lets every connection of the contract be one to the same client.
func shared(t *testing.T, b brokers.Broker) resulttest.Subject {
	t.Helper()
	return resulttest.Subject{
		Slow: true, Lossy: true, Plain: true,
		Absent: []string{"done", "group", "parent", "extended"},
		Open: func(ctx context.Context, o result.Options) (result.Backend, error) {
			o.Broker = b
			client, err := Open(ctx, o)
			if err != nil {
				return nil, err
			}
			worker, err := OpenSender(o)
			return sent{client, worker}, err
		},
	}
}

// aside makes further connections store what the first one reads: a result goes to the sender alone.
func aside(s resulttest.Subject) resulttest.Subject {
	open := s.Open
	var first sent
	s.Open = func(ctx context.Context, o result.Options) (result.Backend, error) {
		if first.Backend != nil && first.here.Usable(ctx) == nil && o == (result.Options{}) {
			worker, err := OpenSender(result.Options{Broker: first.broker})
			return guest{first, worker}, err
		}
		b, err := open(ctx, o)
		if err == nil {
			first = b.(sent)
		}
		return b, err
	}
	return s
}

// guest reads at the first client, and closes only what is its own.
type guest struct {
	first  sent
	worker *Backend
}

func (g guest) Store(ctx context.Context, r result.Record) error {
	r.ReplyTo = g.first.ReplyTo()
	return g.worker.Store(ctx, r)
}

func (g guest) Get(ctx context.Context, id string) (result.Record, error) {
	if err := g.worker.here.Usable(ctx); err != nil {
		return result.Record{}, err
	}
	return g.first.Get(ctx, id)
}

func (g guest) Wait(ctx context.Context, id string) (result.Record, error) {
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if _, err := g.worker.Wait(waiting, id); errors.Is(err, result.ErrClosed) {
			stop(err)
		}
	}()
	r, err := g.first.Wait(waiting, id)
	if err != nil {
		err = context.Cause(waiting)
	}
	return r, err
}

func (g guest) Forget(ctx context.Context, ids ...string) error {
	if err := g.worker.here.Usable(ctx); err != nil {
		return err
	}
	return g.first.Forget(ctx, ids...)
}

func (g guest) Close() error { return g.worker.Close() }

func TestContractInMemory(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	b := engine.Broker()
	defer b.Close()
	resulttest.Run(t, aside(shared(t, b)))
}

func TestContractOverServers(t *testing.T) {
	servertest.Needed(t)
	for _, d := range []brokers.Driver{redis.Driver, rabbitmq.Driver} {
		t.Run(d.Name, func(t *testing.T) {
			s := servertest.Launch(t, d)
			b, err := d.Open(t.Context(), s.URL, d.Variants[0])
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			subject := aside(shared(t, b))
			subject.Kill, subject.Up = s.Kill, s.Up
			resulttest.Run(t, subject)
		})
	}
}

// The message is the one that Celery's workers send.
func TestReply(t *testing.T) {
	engine := memory.New()
	defer engine.Close()
	b := engine.Broker()
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	replies, err := b.(brokers.Exchanger).Subscribe(ctx, brokers.Binding{Exchange: exchange, Key: "reply", Queue: "reply"})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := OpenSender(result.Options{Broker: b})
	if err != nil {
		t.Fatal(err)
	}
	r := result.Record{TaskID: "d93e065c", State: result.Success, Value: json.RawMessage("5"), GroupID: "g", ReplyTo: "reply", CorrelationID: "c"}
	if err := worker.Store(ctx, r); err != nil {
		t.Fatal(err)
	}
	m := <-replies
	want := `{"task_id": "d93e065c", "status": "SUCCESS", "result": 5, "traceback": null, "children": []}`
	if string(m.Body) != want || m.CorrelationID != "c" || !m.Transient || m.ContentType != "application/json" || m.ContentEncoding != "utf-8" {
		t.Errorf("%s\nin %+v", m.Body, m)
	}
	r.ReplyTo = ""
	if err := worker.Store(ctx, r); err != nil {
		t.Errorf("a task whose sender wants no result: %v", err)
	}
	if worker.ReplyTo() != "" {
		t.Error("a sender has a queue")
	}
	if _, err := Open(ctx, result.Options{}); err == nil {
		t.Error("opened without a broker")
	}
}
