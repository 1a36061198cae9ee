package rabbitmq

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// capturedHeader is a content header that Celery sent.
func capturedHeader(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/frames-publish-56.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Frames []struct{ M, Hex string } }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, f := range file.Frames {
		if f.M == "HEADER" {
			b, err := hex.DecodeString(f.Hex)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatal("the capture has no content header")
	return nil
}

// withField is the captured header with one more field at the front of its table.
func withField(t testing.TB, field string) []byte {
	t.Helper()
	h := capturedHeader(t)
	at := 14 + 1 + len("application/json") + 1 + len("utf-8")
	size := binary.BigEndian.Uint32(h[at:])
	h = slices.Insert(h, at+4, []byte(field)...)
	binary.BigEndian.PutUint32(h[at:], size+uint32(len(field)))
	return h
}

func frame(kind byte, channel uint16, payload []byte) []byte {
	b := append([]byte{kind}, binary.BigEndian.AppendUint16(nil, channel)...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), 0xCE)
}

const big = "\x00\x00\x01\x00\x00\x00\x00\x00"

// fields with every tag, and an L where a reader that miscounted would not find it.
func everyTag(tag string) string {
	f := "\x01aI\x00\x00\x00\x01" + "\x01bt\x01" + "\x01cV" + "\x01dS\x00\x00\x00\x05LlLlL" + "\x01ed" + big + "\x01fT" + big +
		"\x01gD\x02\x00\x00\x00\x07" + "\x01hf\x00\x00\x00\x00" + "\x01is\x00\x01" + "\x01ju\x00\x01" + "\x01kB\x01" + "\x01lb\x01" +
		"\x01mx\x00\x00\x00\x02LL" + "\x01ni\x00\x00\x00\x01"
	inner := "\x01z" + tag + big
	list := tag + big + "V" + "F" + size(inner) + inner
	return f + "\x01L" + tag + big + "\x04nestF" + size(inner) + inner + "\x04listA" + size(list) + list
}

func size(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) }

func stream(t testing.TB, tag string) []byte {
	t.Helper()
	return slices.Concat(
		frame(1, 1, []byte("a method, with L and l in it: L\x00")),
		frame(2, 1, withField(t, everyTag(tag))),
		frame(3, 1, []byte(strings.Repeat("\x01xL"+big, 50))),
		frame(8, 0, nil),
		frame(2, 7, withField(t, everyTag(tag))),
		frame(2, 7, []byte{0, 60}), // too short to be one
	)
}

// The same comes out wherever the network cuts, and only the tags differ from what went in.
func TestRetagRewritesTagsOnly(t *testing.T) {
	in, want := stream(t, "L"), stream(t, "l")
	for n := 1; n <= len(in); n++ {
		r := retag{from: 'L', to: 'l'}
		var out []byte
		for part := range slices.Chunk(in, n) {
			out = r.through(out, bytes.Clone(part))
		}
		if !bytes.Equal(out, want) {
			t.Fatalf("in parts of %d bytes:\ngot  %q\nwant %q", n, out, want)
		}
	}
	back := retag{from: 'l', to: 'L', pass: 8}
	if out := back.through(nil, append([]byte("AMQP\x00\x00\x09\x01"), want...)); !bytes.Equal(out[8:], in) {
		t.Error("the other way round it is not the same")
	}
}

func TestRetagLetsOtherThingsPass(t *testing.T) {
	for name, in := range map[string][]byte{
		"captured header":    frame(2, 1, capturedHeader(t)),
		"no AMQP":            []byte("AMQP\x00\x00\x09\x01 and then L anything"),
		"a table that lies":  frame(2, 1, append(capturedHeader(t)[:40], 0xff, 0xff, 0xff, 0xff, 'L')),
		"an unknown tag":     frame(2, 1, withField(t, "\x01a?\x01bL"+big)),
		"properties go on":   frame(2, 1, append(make([]byte, 12), 0xff, 0xff, 0xff, 0xff)),
		"an oversized frame": frame(2, 1, make([]byte, largest+1)),
	} {
		r := retag{from: 'L', to: 'l'}
		if out := r.through(nil, bytes.Clone(in)); !bytes.Equal(out, in) {
			t.Errorf("%s is changed", name)
		}
	}
}

func TestRetagBoundsNesting(t *testing.T) {
	f := "\x01xV"
	for range deepest + 10 {
		f = "\x01nF" + size(f) + f
	}
	in := frame(2, 1, withField(t, f))
	r := retag{from: 'L', to: 'l'}
	if out := r.through(nil, in); len(out) != len(in) {
		t.Error("a frame is held back")
	}
}

func FuzzRetag(f *testing.F) {
	f.Add(stream(f, "L"), 3)
	f.Add(frame(2, 1, capturedHeader(f)), 100)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		whole, cut := retag{from: 'L', to: 'l'}, retag{from: 'L', to: 'l'}
		want := whole.through(nil, bytes.Clone(in))
		var got []byte
		for part := range slices.Chunk(in, max(1, n&0xff)) {
			got = cut.through(got, bytes.Clone(part))
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("cut differently, it comes out differently")
		}
		for i, b := range want {
			if b != in[i] && (b != 'l' || in[i] != 'L') {
				t.Fatalf("byte %d was changed from %#x to %#x", i, in[i], b)
			}
		}
	})
}
