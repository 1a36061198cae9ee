package route

import (
	"context"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/message"
)

func TestTheFirstRuleThatFitsCounts(t *testing.T) {
	topic := brokers.Exchange{Name: "media", Kind: brokers.Topic}
	table, err := New([]Rule{
		{Task: "lab.add", Queue: "exact"},
		{Task: "lab.*", Queue: "lab"},
		{Task: `/app\.(?P<id>\d+)\.(sync|push)/`, Queue: "appserver_{{id}}"},
		{Task: "here.*", Queue: "appserver_{{ instance }}"},
		{Task: "kw", Queue: "tenant_{{tenant}}"},
		{Task: "video.?", Exchange: topic, Key: "video.{{tenant}}"},
		{Task: "a.b", Queue: "dot"},
	}, map[string]string{"instance": "12"})
	if err != nil {
		t.Fatal(err)
	}
	known := func(name string) (string, bool) { return "7", name == "tenant" }
	for task, want := range map[string]Target{
		"lab.add":      {Queue: "exact"},
		"lab.adds":     {Queue: "lab"},
		"app.31.push":  {Queue: "appserver_31"},
		"here.clean":   {Queue: "appserver_12"},
		"kw":           {Queue: "tenant_7"},
		"video.x":      {Exchange: topic, Key: "video.7"},
		"app.31.pushy": {},
		"xlab.add":     {},
		"aXb":          {},
		"video.xy":     {},
	} {
		got, fits, err := table.Route(task, known)
		if err != nil || got != want || fits != (want != Target{}) {
			t.Errorf("Route(%q) = %+v, %v, %v; want %+v", task, got, fits, err, want)
		}
	}
	if _, fits, err := table.Route("kw", nil); err == nil || !fits {
		t.Error("a name without a value is no error")
	}
	if _, fits, err := (*Table)(nil).Route("x", nil); fits || err != nil {
		t.Error("no table fits something")
	}
}

func TestRulesThatAreWrongAreAllTold(t *testing.T) {
	_, err := New([]Rule{{Task: "", Queue: "q"}, {Task: "x"}, {Task: "/(/", Queue: "q"}, {Task: "y", Queue: "q_{{id"}, {Task: "z", Exchange: brokers.Exchange{Name: "e"}}}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"route 1", "route 2", "route 3", "route 4", "route 5"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}

type sink struct{ got []brokers.Message }

func (s *sink) Publish(_ context.Context, m brokers.Message) error {
	s.got = append(s.got, m)
	return nil
}

type exchanger struct {
	sink
	exchange brokers.Exchange
	key      string
}

func (x *exchanger) Route(_ context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	x.exchange, x.key = e, key
	return nil
}
func (x *exchanger) Bind(context.Context, brokers.Binding) error { return nil }
func (x *exchanger) Subscribe(context.Context, brokers.Binding) (<-chan brokers.Message, error) {
	return nil, nil
}

func send(t *testing.T, p Publisher, task string, kwargs map[string]any, queue string) error {
	t.Helper()
	m, err := message.New(task, "id", nil, kwargs, message.Options{Queue: queue})
	if err != nil {
		t.Fatal(err)
	}
	return p.Publish(t.Context(), m)
}

func TestPublisher(t *testing.T) {
	urgent := uint8(9)
	table, err := New([]Rule{
		{Task: "app", Queue: "appserver_{{id}}", Priority: &urgent},
		{Task: "media", Exchange: brokers.Exchange{Name: "media", Kind: brokers.Topic}, Key: "k.{{id}}"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s sink
	p := Publisher{Broker: &s, Table: table}
	if err := send(t, p, "app", map[string]any{"id": 5}, ""); err != nil || s.got[0].Queue != "appserver_5" || s.got[0].Priority != 9 {
		t.Errorf("app went to %+v, %v", s.got, err)
	}
	if err := send(t, p, "app", map[string]any{"id": "x"}, "elsewhere"); err != nil || s.got[1].Queue != "elsewhere" {
		t.Errorf("what was sent somewhere on purpose went to %q, %v", s.got[1].Queue, err)
	}
	if err := send(t, p, "other", nil, ""); err != nil || s.got[2].Queue != brokers.DefaultQueue {
		t.Errorf("what no rule fits went to %q, %v", s.got[2].Queue, err)
	}
	if err := send(t, p, "app", nil, ""); !brokers.Definite(err) || len(s.got) != 3 {
		t.Errorf("without an id it was sent: %v", err)
	}
	if err := send(t, p, "media", map[string]any{"id": 1}, ""); !brokers.Definite(err) {
		t.Errorf("without exchanges: %v", err)
	}
	x := &exchanger{}
	p.Broker = x
	if err := send(t, p, "media", map[string]any{"id": 1}, ""); err != nil || x.exchange.Name != "media" || x.key != "k.1" {
		t.Errorf("media went to %v under %q, %v", x.exchange, x.key, err)
	}
}
