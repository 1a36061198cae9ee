package exchange

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
)

// load reads a file of captured data.
func load(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// A binding is written as kombu writes it, for a queue of its own name too.
func TestMembersAreKombus(t *testing.T) {
	var file struct{ Monitor []string }
	load(t, "exchange-bindings-56", &file)
	theirs := strings.Join(file.Monitor, "\n")
	want := strings.NewReplacer("\x06", `\x06`, "\x16", `\x16`).Replace(`"_kombu.binding.exd" "k1` + keys.Separator + keys.Separator + `dq"`)
	if !strings.Contains(theirs, want) {
		t.Errorf("kombu writes no binding of the form %s", want)
	}
	if got := keys.Member("dq", "", "dq"); got != "dq"+keys.Separator+keys.Separator+"dq" {
		t.Errorf("binding %q", got)
	}
}

// A trace is what kombu told Redis to do, and what was there then.
type trace struct {
	Monitor  []string
	Bindings map[string][]string
	Lists    map[string][]struct {
		Exchange   string
		RoutingKey string `json:"routing_key"`
	}
}

// commands are the arguments of the monitored commands of one name.
func (tr trace) commands(t *testing.T, name string) [][]string {
	t.Helper()
	quoted := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	var all [][]string
	for _, line := range tr.Monitor {
		var args []string
		for _, q := range quoted.FindAllString(line, -1) {
			arg, err := strconv.Unquote(q)
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, arg)
		}
		if len(args) > 0 && args[0] == name {
			all = append(all, args[1:])
		}
	}
	return all
}

// Bindings are written as kombu writes them, patterns of topics among them.
func TestBindingsAreKombus(t *testing.T) {
	for _, version := range []string{"52", "56"} {
		var tr trace
		load(t, "exchange-bindings-"+version, &tr)
		topic, direct := brokers.Exchange{Name: "ext", Kind: brokers.Topic}, brokers.Exchange{Name: "exd", Kind: brokers.Direct}
		for _, b := range []brokers.Binding{
			{Exchange: topic, Key: "a.*.c", Queue: "tq1"}, {Exchange: topic, Key: "a.#", Queue: "tq2"}, {Exchange: direct, Key: "k1", Queue: "dq"},
		} {
			if theirs := tr.Bindings[keys.Bindings(b.Exchange.Name)]; !slices.Contains(theirs, member(b)) {
				t.Errorf("%s: %q is not among %q", version, member(b), theirs)
			}
		}
	}
}

// A message reaches the queues that kombu put it into.
func TestRoutingIsKombus(t *testing.T) {
	for _, version := range []string{"52", "56"} {
		var tr trace
		load(t, "exchange-bindings-"+version, &tr)
		for _, c := range []struct {
			exchange string
			kind     brokers.ExchangeKind
			keys     []string
		}{{"ext", brokers.Topic, []string{"a.b.c", "a.x.y.z", "b.b.c", "a"}}, {"exd", brokers.Direct, []string{"k1", "nokey"}}} {
			for _, key := range c.keys {
				var want []string
				for _, queue := range []string{"dq", "tq1", "tq2"} {
					for _, m := range tr.Lists[queue] {
						if m.Exchange == c.exchange && m.RoutingKey == key {
							want = append(want, queue)
						}
					}
				}
				b := &Exchanges{}
				got := b.choose(c.kind, tr.Bindings[keys.Bindings(c.exchange)], key)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s to %s reaches %q, want %q", version, key, c.exchange, got, want)
				}
			}
		}
	}
}

// What is published on a channel is on the channel that kombu uses, in an envelope that says where it went.
func TestChannelsAreKombus(t *testing.T) {
	for _, version := range []string{"52", "56"} {
		var tr trace
		load(t, "exchange-bindings-"+version, &tr)
		published := tr.commands(t, "PUBLISH")
		if len(published) != 2 {
			t.Fatalf("%s: %d messages were published", version, len(published))
		}
		for i, key := range []string{"fk.z", ""} {
			if got := broadcastChannel(10, "exf", key); got != published[i][0] {
				t.Errorf("%s: channel %q, want %q", version, got, published[i][0])
			}
			ours, err := kombu.Encode(brokers.Message{Queue: "ignored", Headers: map[string]any{}, ContentType: "application/json"}, "exf", key)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := deliveryInfo(t, string(ours)), deliveryInfo(t, published[i][1]); got != want {
				t.Errorf("%s: delivery info %s, want %s", version, got, want)
			}
		}
	}
}

func deliveryInfo(t *testing.T, envelope string) string {
	t.Helper()
	var e struct {
		Properties struct {
			Info map[string]any `json:"delivery_info"`
		}
	}
	if err := json.Unmarshal([]byte(envelope), &e); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e.Properties.Info)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Events are a topic everywhere else, and a fanout with keys in the channels' names here.
func TestWhichChannelsAreListenedTo(t *testing.T) {
	events := brokers.Exchange{Name: "celeryev", Kind: brokers.Topic, Durable: true}
	for _, c := range []struct {
		e    brokers.Exchange
		key  string
		want string
	}{
		{events, "#", "/1.celeryev/*"},
		{events, "worker.#", "/1.celeryev/worker.*"},
		{events, "task.*", "/1.celeryev/task.*"},
		{brokers.Exchange{Name: "celery.pidbox", Kind: brokers.Fanout}, "", "/1.celery.pidbox /1.celery.pidbox/*"},
		{brokers.Exchange{Name: "o[d]d*", Kind: brokers.Fanout}, "", `/1.o\[d]d\* /1.o\[d]d\*/*`},
	} {
		got := strings.Join(channelsOf(1, brokers.Binding{Exchange: c.e, Key: c.key}), " ")
		if got != c.want || !broadcast(c.e) {
			t.Errorf("%+v with %q: %s, want %s", c.e, c.key, got, c.want)
		}
	}
	for _, e := range []brokers.Exchange{{Name: "celeryev2", Kind: brokers.Topic}, {Name: "celeryev", Kind: brokers.Direct}, {Name: "x"}} {
		if broadcast(e) {
			t.Errorf("%+v is taken for a broadcast", e)
		}
	}
}

// A pattern of Python's that Go cannot read, and a member that is none, cost nobody else a message.
func TestOddBindings(t *testing.T) {
	b := &Exchanges{}
	members := []string{
		"a.b" + keys.Separator + `^(?=a)a\.b$` + keys.Separator + "lookahead", "x" + keys.Separator + `^(?=x)$` + keys.Separator + "other",
		"nonsense", "", "a.b" + keys.Separator + keys.Separator + "plain", "a.#" + keys.Separator + topicPattern("a.#") + keys.Separator + "plain",
	}
	got := b.choose(brokers.Topic, members, "a.b")
	if slices.Sort(got); !slices.Equal(got, []string{"lookahead", "plain"}) {
		t.Errorf("reached %q", got)
	}
}
