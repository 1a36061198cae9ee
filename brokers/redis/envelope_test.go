package redis

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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

// captured are the list elements that Celery wrote, by key.
func captured(t testing.TB, name string) map[string][]string {
	t.Helper()
	var file struct{ Keys map[string]json.RawMessage }
	load(t, name, &file)
	all := map[string][]string{}
	for key, dump := range file.Keys {
		var typed struct{ Value json.RawMessage }
		if json.Unmarshal(dump, &typed) == nil { // the captures have two forms
			dump = typed.Value
		}
		var elements []struct{ Raw string }
		if json.Unmarshal(dump, &elements) != nil {
			continue // a set
		}
		for _, e := range elements {
			all[key] = append(all[key], e.Raw)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no list", name)
	}
	return all
}

func fields(t testing.TB, raw string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// What Celery wrote is read, written again, and must mean the same to any reader of JSON.
func TestCapturedEnvelopesRoundTrip(t *testing.T) {
	for _, name := range []string{
		"publish-plain-52", "publish-options-56", "publish-unicode-56", "publish-priorities-56", "publish-msgpack-56",
		"publish-compress-gzip-56",
	} {
		for key, raws := range captured(t, name) {
			for _, raw := range raws {
				m, again := kombu.Decode("celery", raw)
				if again || m.Headers == nil {
					t.Errorf("%s: read as redelivered %v, headers %v", name, again, m.Headers)
				}
				if list := keys.ListOf("celery", m.Priority); list != key {
					t.Errorf("%s: priority %d belongs to list %q, Celery used %q", name, m.Priority, list, key)
				}
				written, err := kombu.Encode(m, "", m.Queue)
				if err != nil {
					t.Fatal(err)
				}
				got, want := fields(t, string(written)), fields(t, raw)
				for _, e := range []map[string]any{got, want} { // it is made anew by each publisher
					tag, _ := e["properties"].(map[string]any)["delivery_tag"].(string)
					if len(tag) != 36 {
						t.Errorf("%s: delivery tag %q is no UUID", name, tag)
					}
					delete(e["properties"].(map[string]any), "delivery_tag")
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
				}
			}
		}
	}
}

func TestOptionsAreRead(t *testing.T) {
	raws := captured(t, "publish-options-56")["celery"+keys.Separator+"6"]
	m, _ := kombu.Decode("celery", raws[0])
	if m.Expiration != 2*time.Minute || m.Priority != 7 || m.Transient || m.Queue != "celery" {
		t.Errorf("got %+v", m)
	}
	if m.Headers["retries"] != int64(0) || !reflect.DeepEqual(m.Headers["timelimit"], []any{int64(30), int64(20)}) {
		t.Errorf("numbers of the headers are %#v and %#v", m.Headers["retries"], m.Headers["timelimit"])
	}
	if !strings.HasPrefix(string(m.Body), "[[2, 3], {}, ") {
		t.Errorf("body %q", m.Body)
	}
}

// Real workers die of most of these. Here none is lost, and none is taken for a task that it is not.
func TestToleranceOfForeignElements(t *testing.T) {
	var file struct {
		Cases map[string]struct{ Message json.RawMessage }
	}
	load(t, "envelope-tolerance-56", &file)
	raw := map[string]bool{"bad_base64": true, "not_json": true, "json_list": true}
	headless := map[string]bool{"headers_null": true, "no_headers": true}
	for name, c := range file.Cases {
		element := string(c.Message)
		if name == "not_json" { // it is quoted in the file only
			if err := json.Unmarshal(c.Message, &element); err != nil {
				t.Fatal(err)
			}
		}
		m, _ := kombu.Decode("celery", element)
		switch {
		case raw[name] && (string(m.Body) != element || m.Headers != nil):
			t.Errorf("%s: delivered as %+v, want the element itself and no headers", name, m)
		case headless[name] && m.Headers != nil:
			t.Errorf("%s: headers %v, want none", name, m.Headers)
		case !raw[name] && !headless[name] && m.Headers["task"] != "lab.add":
			t.Errorf("%s: headers %v, want those of the task", name, m.Headers)
		}
		if !raw[name] && name != "no_properties" && m.Body[0] != '[' {
			t.Errorf("%s: body %.20q", name, m.Body)
		}
		if name == "string_priority" && m.Priority == 0 {
			t.Errorf("%s: priority was not read", name)
		}
	}
	if len(file.Cases) < 15 {
		t.Errorf("only %d cases were looked at", len(file.Cases))
	}
}

func BenchmarkEnvelope(b *testing.B) {
	raw := captured(b, "publish-plain-52")["celery"][0]
	m, _ := kombu.Decode("celery", raw)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := kombu.Encode(m, "", m.Queue); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			kombu.Decode("celery", raw)
		}
	})
}
