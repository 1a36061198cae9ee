package canvas

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// A capture is what a client and a worker of Celery published in one workflow.
type capture struct {
	Celery   string
	Messages []struct {
		Headers map[string]any
		ReplyTo string `json:"reply_to"`
		Body    string
	}
}

func captured(t testing.TB, name string) []brokers.Message {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	var all []brokers.Message
	for _, m := range c.Messages {
		all = append(all, brokers.Message{
			Queue: brokers.DefaultQueue, Headers: m.Headers, Body: []byte(m.Body), ReplyTo: m.ReplyTo,
			ContentType: "application/json", ContentEncoding: "utf-8",
		})
	}
	return all
}

// The captured workflows, as one writes them here.
func workflows() map[string]Signature {
	pairs := [][]int{{0, 0}, {1, 1}, {2, 2}, {3, 3}}
	return map[string]Signature{
		"chain":             Chain(Sig("lab.add", 1, 2), Sig("lab.mul", 3), Sig("lab.mul", 4)),
		"group":             Group(Sig("lab.add", 0, 0), Sig("lab.add", 1, 1), Sig("lab.add", 2, 2)),
		"chord":             Chord([]Signature{Sig("lab.add", 0, 0), Sig("lab.add", 1, 1), Sig("lab.add", 2, 2)}, Sig("lab.xsum")),
		"chord-of-chains":   Chord([]Signature{Chain(Sig("lab.add", 1, 1), Sig("lab.mul", 2)), Sig("lab.add", 3, 3)}, Sig("lab.xsum")),
		"chain-group-chain": Chain(Sig("lab.add", 1, 1), Group(Sig("lab.mul", 2), Sig("lab.mul", 3)), Sig("lab.xsum")),
		"chord-fail": Chord([]Signature{Sig("lab.add", 1, 1), Sig("lab.fail", "in chord")},
			Sig("lab.xsum").LinkError(Sig("lab.onerr"))),
		"link":           Sig("lab.add", 2, 3).Link(Sig("lab.mul", 4)),
		"link-error":     Sig("lab.fail", "x").LinkError(Sig("lab.onerr")),
		"link-error-old": Sig("lab.fail", "x").LinkError(Sig("lab.onerrold")),
		"starmap":        StarMap(Sig("lab.add"), [][]int{{1, 2}, {3, 4}}),
		"starmap-chunks": Chunks(Sig("lab.add"), pairs, 2),
	}
}

// TestOurClientAndWorker: the same workflow, sent and run here, makes the messages that Celery 5.6 made.
func TestOurClientAndWorker(t *testing.T) {
	for name, s := range workflows() {
		t.Run(name, func(t *testing.T) {
			file, want := name+"-56", captured(t, strings.TrimSuffix(name, "-chunks")+"-56")
			switch name {
			case "starmap":
				want = want[:1]
			case "starmap-chunks":
				file, want = "starmap-56", want[1:]
			}
			w := newWorld()
			w.deepFirst = strings.HasPrefix(name, "chord-of-chains") && !strings.HasSuffix(name, "-52") // as it happened there
			w.f.ReplyTo = "00000000-0000-0000-0000-00000000cafe"
			if _, _, err := w.f.Start(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			if err := w.run(); err != nil {
				t.Fatal(err)
			}
			compare(t, file, w.sent, want)
		})
	}
}

// TestOurWorkerAfterCelery: workers of ours carry a workflow on that Celery's client began, with the messages of
// Celery's workers, for both versions.
func TestOurWorkerAfterCelery(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasPrefix(name, "signatures") || strings.HasPrefix(name, "chord-unlock") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want := captured(t, name)
			w := newWorld()
			w.deepFirst = strings.HasPrefix(name, "chord-of-chains") && !strings.HasSuffix(name, "-52") // as it happened there
			w.f.ReplyTo = "00000000-0000-0000-0000-00000000cafe"
			for _, m := range want {
				if m.Headers["parent_id"] != nil {
					continue
				}
				task, _ := message.Read(m)
				body, err := task.Body()
				if err != nil {
					t.Fatal(err)
				}
				if e, err := ParseEmbed(body.Embed); err != nil {
					t.Fatal(err)
				} else if e.Chord != nil { // Celery's client has said how many there are
					w.results.size[m.Headers["group"].(string)]++
				}
				_ = w.Publish(context.Background(), m)
			}
			if strings.HasPrefix(name, "chord-of-chains") {
				for gid := range w.results.size {
					w.results.size[gid] = 2
				}
			}
			if err := w.run(); err != nil {
				t.Fatal(err)
			}
			compare(t, name, w.sent, want)
		})
	}
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// compare looks at two runs as they would be if ids and reply queues were numbered as they appear.
func compare(t *testing.T, name string, got, want []brokers.Message) {
	t.Helper()
	a, b := canonical(t, name, got), canonical(t, name, want)
	if len(a) != len(b) {
		t.Errorf("%d messages, want %d", len(a), len(b))
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("message %d is\n%s\nwant\n%s", i, a[i], b[i])
		}
	}
}

func canonical(t *testing.T, name string, ms []brokers.Message) []string {
	t.Helper()
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b brokers.Message) int { return cmp.Compare(order(a), order(b)) })
	ids := map[string]string{}
	var all []string
	for _, m := range ms {
		if m.Headers["task"] == "lab.onerr" { // Celery calls errbacks of three arguments in place, where it knows them
			continue
		}
		var body any
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		h := map[string]any{}
		for _, key := range []string{"task", "id", "group", "group_index", "root_id", "parent_id", "ignore_result", "replaced_task_nesting", "stamps", "stamped_headers"} {
			if v := m.Headers[key]; v != nil && !reflect.ValueOf(v).IsZero() && fmt.Sprint(v) != "map[]" || v != nil && key == "group_index" {
				h[key] = v
			}
		}
		if strings.HasSuffix(name, "-52") { // it has neither of these, and 5.6 does
			delete(h, "group_index")
			if m.Headers["task"] == "lab.xsum" {
				delete(h, "group")
			}
		}
		raw, err := json.Marshal([]any{h, simplify(body, strings.HasSuffix(name, "-52"))})
		if err != nil {
			t.Fatal(err)
		}
		text := uuid.ReplaceAllStringFunc(string(raw), func(id string) string {
			if id == m.ReplyTo {
				return "reply"
			}
			if _, ok := ids[id]; !ok {
				ids[id] = fmt.Sprintf("id%d", len(ids))
			}
			return ids[id]
		})
		all = append(all, text)
	}
	return all
}

// order is a key by which the messages of a workflow can be sorted, whoever was quicker when it ran.
func order(m brokers.Message) string {
	task, _ := message.Read(m)
	body, _ := task.Body()
	return called(task.Name, body.Args)
}

// simplify takes out of signatures what says nothing: options that are null, the copies of a chord's body that
// Celery leaves in its header until it is sent, and the group around that header.
func simplify(v any, old bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = simplify(v[i], old)
		}
	case map[string]any:
		for name, item := range v {
			v[name] = simplify(item, old)
		}
		if options, ok := v["options"].(map[string]any); ok {
			for name, item := range options {
				if item == nil || old && (name == "group_id" && v["task"] == "lab.xsum" || name == "task_id" && v["task"] == "celery.chord") {
					delete(options, name)
				}
			}
		}
		header, ok := v["header"].(map[string]any)
		if !ok {
			break
		}
		tasks := header["kwargs"].(map[string]any)["tasks"].([]any)
		for _, task := range tasks {
			options := task.(map[string]any)["options"].(map[string]any)
			delete(options, "chord")
			delete(options, "group_index")
		}
		v["header"] = tasks
	}
	return v
}

func TestSignaturesOfCelery(t *testing.T) {
	add := Sig("lab.add", 1, 2)
	prio := uint8(3)
	ours := map[string]Signature{
		"sig":       Sig("lab.add", 1).Kw("y", 2),
		"immutable": add.SI(),
		"opts":      Sig("lab.add", 1).Set(Options{Queue: "q", Countdown: 5e9, Priority: &prio, ExpiresIn: 10e9}),
		"chain":     Chain(add, Sig("lab.mul", 3)),
		"group":     Group(add, Sig("lab.mul", 3, 4)),
		"chord":     Chord([]Signature{add}, Sig("lab.xsum")),
		"nested":    Chain(add, Group(Sig("lab.mul", 3), Sig("lab.mul", 4)), Sig("lab.xsum")),
		"map":       Map(Sig("lab.add"), []int{1, 2}),
		"starmap":   StarMap(Sig("lab.add"), [][]int{{1, 2}}),
		"chunks":    Chunks(Sig("lab.add"), [][]int{{1, 2}, {3, 4}}, 1),
		"link":      add.Link(Sig("lab.mul", 2)).LinkError(Sig("lab.onerr")),
	}
	for _, version := range []string{"52", "56"} {
		raw, err := os.ReadFile("testdata/signatures-" + version + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var theirs map[string]json.RawMessage
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatal(err)
		}
		if len(theirs) != len(ours) {
			t.Errorf("Celery has %d signatures, %d are made here", len(theirs), len(ours))
		}
		for name, want := range theirs {
			s, err := Parse(want)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			sameJSON(t, name+", read and written", s.append(nil), want)
			made, err := json.Marshal(ours[name])
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			sameJSON(t, name+", made here", made, want)
		}
	}
}

func sameJSON(t *testing.T, what string, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Errorf("%s: %v in %s", what, err, got)
		return
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s is\n%s\nwant\n%s", what, got, want)
	}
}
