package message

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"taskbench/brokers"
)

// What Celery sent in MessagePack and YAML is the same call as what it sent in JSON.
func TestOtherSerializersAsCaptured(t *testing.T) {
	for _, file := range []string{"msgpack-56", "yaml-56"} {
		task, err := Read(captured(t, file)[0], JSON, MessagePack, YAML)
		if err != nil {
			t.Fatal(err)
		}
		body, err := task.Body()
		if err != nil {
			t.Fatal(err)
		}
		if len(body.Args) != 2 || string(body.Args[0]) != "1" || string(body.Args[1]) != "2" || len(body.Kwargs) != 0 {
			t.Errorf("%s: args %s, kwargs %v", file, body.Args, body.Kwargs)
		}
		embed, err := Decode(body.Embed)
		if m, ok := embed.(map[string]any); err != nil || !ok || len(m) != 4 || m["chain"] != nil {
			t.Errorf("%s: embed %s: %v", file, body.Embed, err)
		}
	}
}

func TestPickleIsRefusedEvenWhereAccepted(t *testing.T) {
	_, err := Read(captured(t, "pickle-56")[0], JSON, "application/x-python-serialize")
	var e *Error
	if !errors.As(err, &e) || e.Reason != Refused || !strings.Contains(err.Error(), "task_serializer") {
		t.Errorf("pickle: %v", err)
	}
}

// The bytes are of Python's msgpack 1.0.
func TestMessagePackBecomesJSON(t *testing.T) {
	for _, c := range []struct{ name, packed, want string }{
		{"integers", "\x95\x01\xff\xcd\x01\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "[1, -1, 256, -9223372036854775808, 18446744073709551615]"},
		{"floats", "\x93\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xcb\x40\x00\x00\x00\x00\x00\x00\x00\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "[1.5, 2.0, NaN]"},
		{"text", "\xa4h\xc3\xa9\"", `"hé\""`},
		{"binary", "\xc4\x02\xff\x00", `{"__type__": "base64", "__value__": "/wA="}`},
		{"keys", "\x82\xa1a\xc0\x07\xc3", `{"a": null, "7": true}`},
		{"empty", "\x92\x90\x80", "[[], {}]"},
	} {
		got, err := fromMessagePack([]byte(c.packed))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestHostileSerializersAreErrors(t *testing.T) {
	nested := func(open, shut string, n int) []byte {
		return []byte(strings.Repeat(open, n) + strings.Repeat(shut, n))
	}
	for _, c := range []struct {
		name, contentType string
		body              []byte
	}{
		{"array that ends too early", MessagePack, []byte("\xdd\xff\xff\xff\xff")},
		{"text that ends too early", MessagePack, []byte("\xdb\xff\xff\xff\xffabc")},
		{"nothing", MessagePack, nil},
		{"two values", MessagePack, []byte("\x93\x90\x80\xc0\x01")},
		{"extension", MessagePack, []byte("\xd4\x01\x00")},
		{"deep", MessagePack, append(bytes.Repeat([]byte{0x91}, 1<<20), 0xc0)},
		{"text that is not UTF-8 as a key and a value", MessagePack, []byte("\x93\x90\x81\xa1\xff\xa1\xfe\x01\x02")},
		{"deep flow", YAML, nested("[", "]", 100_000)},
		{"deep block", YAML, []byte(strings.Repeat("- ", 100_000) + "1")},
		{"aliases", YAML, []byte("- &a [x, x]\n- {}\n- [*a, *a]\n")},
		{"tabs", YAML, []byte("a:\n\t- b\n")},
		{"long", YAML, bytes.Repeat([]byte("- 1\n"), 2<<20)},
	} {
		task, err := Read(brokers.Message{Headers: map[string]any{"task": "t", "id": "i"}, ContentType: c.contentType, Body: c.body}, MessagePack, YAML)
		if err != nil {
			t.Errorf("%s: %v, before the body was looked at", c.name, err)
			continue
		}
		_, err = task.Body()
		var e *Error
		if !errors.As(err, &e) || e.Reason != Syntax && e.Reason != Shape {
			t.Errorf("%s: %v, want an *Error that says so", c.name, err)
		}
	}
}

func TestCompressedBodies(t *testing.T) {
	text := []byte(`[[1, 2], {}, null]`)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(text)
	_ = z.Close()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := encoder.EncodeAll(make([]byte, MaxBody+1), nil)
	for _, c := range []struct {
		name, codec string
		body        []byte
		ok          bool
	}{
		{"kombu's gzip, which is zlib", zlibName, pack(text), true},
		{"a gzip stream", zlibName, zipped.Bytes(), true},
		{"zstd", zstdName, encoder.EncodeAll(text, nil), true},
		{"zstd that is more than a body may be", zstdName, bomb, false},
		{"zstd that breaks off", zstdName, encoder.EncodeAll(text, nil)[:12], false},
		{"nonsense", zstdName, []byte("nonsense"), false},
		{"a codec that nobody knows", "application/x-lzma", text, false},
	} {
		task, err := Read(brokers.Message{Headers: map[string]any{"task": "t", "id": "i", "compression": c.codec}, ContentType: JSON, Body: c.body})
		if err != nil {
			t.Fatal(err)
		}
		body, err := task.Body()
		if c.ok && (err != nil || len(body.Args) != 2) {
			t.Errorf("%s: %v", c.name, err)
		}
		var e *Error
		if !c.ok && (!errors.As(err, &e) || e.Reason != Packing) {
			t.Errorf("%s: %v, want an error of compression", c.name, err)
		}
	}
}

// FuzzSerializers: what is taken of either is JSON that the scanner takes too, or is told from it by its text.
func FuzzSerializers(f *testing.F) {
	for _, file := range []string{"msgpack-56", "yaml-56"} {
		f.Add(captured(f, file)[0].Body)
	}
	f.Add([]byte("\x82\xa1a\xc0\x07\xc3"))
	f.Add([]byte("a: 1.5\nb: [2001-01-01, ~, yes, 0x1f, .nan]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, read := range map[string]func([]byte) ([]byte, error){"MessagePack": fromMessagePack, "YAML": fromYAML} {
			text, err := read(b)
			if err != nil {
				continue
			}
			end, err := skip(text, 0, 0)
			if err == nil {
				err = atEnd(text, end)
			}
			if err != nil {
				t.Errorf("%s became %q: %v", name, text, err)
			}
		}
	})
}
