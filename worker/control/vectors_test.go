package control

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/event"
)

// A capture is what a real Celery worker was asked, and what it answered.
type capture struct {
	Calls []struct {
		Command   string
		Arguments map[string]any
		Reply     []map[string]json.RawMessage
	}
	Requests    []string `json:"raw_requests"`
	Destination []string `json:"raw_requests_dest"`
	Shutdown    struct{ Raw string }
}

func captures(t *testing.T) map[string]capture {
	t.Helper()
	all := map[string]capture{}
	for _, version := range []string{"52", "56"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "all-commands-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var c capture
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		all[version] = c
	}
	return all
}

func clockAt(n int64) *event.Clock {
	c := &event.Clock{}
	for c.Value() < n {
		c.Forward()
	}
	return c
}

// body is that of an envelope as it stood in Redis.
func body(t *testing.T, envelope string) []byte {
	t.Helper()
	var e struct{ Body []byte }
	if err := json.Unmarshal([]byte(envelope), &e); err != nil {
		t.Fatal(err)
	}
	return e.Body
}

func TestCelerysCommandsAreRead(t *testing.T) {
	for version, c := range captures(t) {
		var methods []string
		for _, raw := range append(append(c.Requests, c.Destination...), c.Shutdown.Raw) {
			r, err := decode(brokers.Message{ContentType: jsonType, Body: body(t, raw)})
			if err != nil {
				t.Errorf("%s: %v in %s", version, err, body(t, raw))
			}
			methods = append(methods, r.Method)
		}
		if text := strings.Join(methods, " "); len(methods) < 40 || !strings.Contains(text, "revoke_by_stamped_headers") && version == "56" || !strings.HasSuffix(text, "shutdown") {
			t.Errorf("%s: %d commands: %s", version, len(methods), text)
		}
		meant := map[string]string{}
		for _, raw := range c.Destination {
			r, _ := decode(commandMessage(string(body(t, raw))))
			one, _ := r.isFor("w1@lab")
			other, _ := r.isFor("x2@lab")
			key := fmt.Sprint(r.Destination, r.Pattern != nil)
			meant[key] = fmt.Sprint(one, other)
		}
		want := map[string]string{"[w1@lab] false": "true false", "[] true": "true false", "[] false": "true true"}
		if !reflect.DeepEqual(meant, want) {
			t.Errorf("%s: meant are %v, want %v", version, meant, want)
		}
	}
}

// What Send writes is byte for byte what Celery writes, but for spaces, the ticket and the address.
func TestCommandsAreWrittenAsCelerys(t *testing.T) {
	random := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	same := func(raw []byte) string {
		return random.ReplaceAllString(strings.NewReplacer(`": `, `":`, `, `, `,`).Replace(string(raw)), "ID")
	}
	for version, c := range captures(t) {
		for i, q := range []Request{
			{Method: "ping", Destination: []string{"w1@lab"}},
			{Method: "ping", Pattern: "w*@*"},
			{Method: "revoke", Args: map[string]any{"task_id": "zzz", "terminate": true, "signal": "KILL"}, Cast: true},
		} {
			written, err := newQuestion(q)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := json.Marshal(written.request)
			if err != nil {
				t.Fatal(err)
			}
			theirs := body(t, c.Destination[i])
			if q.Cast { // arguments are sorted, with us
				ours = []byte(strings.Replace(string(ours), `"signal":"KILL","task_id":"zzz","terminate":true`, `"task_id":"zzz","terminate":true,"signal":"KILL"`, 1))
			}
			if same(ours) != same(theirs) {
				t.Errorf("%s: got  %s\nwant %s", version, same(ours), same(theirs))
			}
		}
	}
}

// reply finds what the node answered to a command.
func reply(t *testing.T, c capture, command string) json.RawMessage {
	t.Helper()
	for _, call := range c.Calls {
		if call.Command == command && len(call.Reply) == 1 && len(call.Reply[0]["w1@lab"]) > 2 {
			return call.Reply[0]["w1@lab"]
		}
	}
	t.Fatalf("the capture has no answer to %s", command)
	return nil
}

// The shapes have the keys of Celery's replies, and the same kinds of values.
func TestShapesAreCelerys(t *testing.T) {
	c := captures(t)["56"]
	var started Float = 1795310136.3951938
	pid, no, user := 16326, false, "guest"
	info := TaskInfo{
		ID: "t", Name: "lab.sleep", Args: []int{25}, Kwargs: map[string]any{}, Type: "lab.sleep", Hostname: "w1@lab", TimeStart: &started,
		Acknowledged: true, DeliveryInfo: DeliveryInfo{RoutingKey: "celery", Redelivered: &no}, WorkerPID: &pid,
	}
	waiting := info
	waiting.TimeStart, waiting.WorkerPID, waiting.Acknowledged = UnixTime(time.Time{}), nil, false
	broker := BrokerOf("redis://127.0.0.1:16379/3")
	broker.Heartbeat = 120
	for command, ours := range map[string]any{
		"active":        []TaskInfo{info, info},
		"scheduled":     []Scheduled{{ETA: "2026-11-22T01:23:56.396722+00:00", Priority: 6, Request: waiting}},
		"query_task":    map[string]Found{"t-active-1": {"active", info}, "t-reserved-1": {"reserved", waiting}},
		"active_queues": []Queue{QueueOf(brokers.Binding{Queue: "celery"})},
		"clock":         map[string]int64{"clock": 1},
		"stats": Stats{
			Total: map[string]int64{"lab.sleep": 2}, Clock: "22", Broker: broker, Usage: OwnUsage(),
			Pool: PoolStats{Implementation: "x", Processes: []int{1, 2}, Writes: &WriteStats{}},
		},
	} {
		raw, err := json.Marshal(ours)
		if err != nil {
			t.Fatal(err)
		}
		got, want := outline(t, raw), outline(t, reply(t, c, command))
		want = strings.ReplaceAll(want, ".broker.credential_provider null\n", "") // of 5.6 alone, and always null
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", command, got, want)
		}
	}
	if b := BrokerOf("sentinel://:secret@a:1;sentinel://:secret@b:2/3?master_name=m"); b.Transport != "sentinel" || b.Hostname != "a" || b.Port != 1 || b.VirtualHost != "3" {
		t.Errorf("sentinels are shown as %+v", b)
	}
	if b := BrokerOf("amqps://guest:secret@h:5671//"); *b.UserID != user || b.VirtualHost != "/" || !b.SSL || b.Transport != "amqp" {
		t.Errorf("%+v", b)
	}
	if raw, err := json.Marshal(Stats{}); err != nil || strings.Contains(outline(t, raw), "processes null") || strings.Contains(outline(t, raw), "total null") {
		t.Errorf("%s, %v", raw, err)
	}
}

// outline lists the keys of a value and the kinds of what they hold, in the order of the keys. Ids are left out.
func outline(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range sortedKeys(v) {
				walk(at+"."+key, v[key])
			}
		case []any:
			if len(v) > 0 { // the others are alike
				walk(at+"[]", v[0])
			}
			fmt.Fprintf(&b, "%s list\n", at)
		case nil:
			fmt.Fprintf(&b, "%s null\n", at)
		default:
			fmt.Fprintf(&b, "%s %T\n", at, v)
		}
	}
	walk("", v)
	return b.String()
}

// Celery refuses a greeting whose times are not written as floats.
func TestGreetingHasFloats(t *testing.T) {
	known := func() []string { return []string{"a"} }
	answer, err := Basics("w1@lab", clockAt(3), known, nil)["hello"](context.Background(), map[string]json.RawMessage{"from_node": []byte(`"x@y"`)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(answer)
	if err != nil || !regexp.MustCompile(`^\{"revoked":\{"a":\[\d+\.\d+,"a"\]\},"clock":4\}$`).Match(raw) {
		t.Errorf("%s, %v", raw, err)
	}
	for f, want := range map[Float]string{12: "12.0", 0: "0.0", -3: "-3.0", 1.5: "1.5", 1e22: "1e+22", 1e-9: "1e-09", 1795310136: "1795310136.0"} {
		if raw, err := f.MarshalJSON(); err != nil || string(raw) != want {
			t.Errorf("%g is written as %s, %v", float64(f), raw, err)
		}
	}
	for version, c := range captures(t) {
		var theirs greeting
		if err := json.Unmarshal(reply(t, c, "hello"), &theirs); err != nil || len(theirs.Revoked) == 0 || theirs.Clock == 0 {
			t.Errorf("%s: Celery's greeting is read as %+v, %v", version, theirs, err)
		}
	}
}
