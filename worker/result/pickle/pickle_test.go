package pickle

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func big10(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

// What Python 3.11 writes with pickle.dumps(value, protocol), in hexadecimal; Celery's own are of protocol 5.
var captured = []struct {
	hex  string
	want any
}{
	{"80054b052e", int64(5)},
	{
		"80059549000000000000007d94288c086578635f74797065948c0a56616c75654572726f72948c0b6578635f6d657373616765948c01789485948c0a6578635f6d6f64756c65948c086275696c74696e7394752e",
		Dict{{"exc_type", "ValueError"}, {"exc_message", Tuple{"x"}}, {"exc_module", "builtins"}},
	},
	{
		"8005956b000000000000007d94288c086578635f74797065948c055265747279948c0b6578635f6d657373616765948c1d5265747279285265747279282e2e2e292c204e6f6e652c204e6f6e6529944e4e87948c0a6578635f6d6f64756c65948c1163656c6572792e657863657074696f6e7394752e",
		Dict{{"exc_type", "Retry"}, {"exc_message", Tuple{"Retry(Retry(...), None, None)", nil, nil}}, {"exc_module", "celery.exceptions"}},
	},
}

func TestCaptured(t *testing.T) {
	for _, c := range captured {
		data, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unmarshal(data); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, %v; want %#v", c.hex, got, err, c.want)
		}
	}
}

// A saved group is an object of Celery's: nothing that we may build.
func TestRefusesObjects(t *testing.T) {
	group := "800595d1010000000000008c0f63656c6572792e6170702e62617365948c115f756e7069636b6c655f617070617474729493948c0b47726f7570526573756c7494" + "2e"
	data, _ := hex.DecodeString(group)
	for name, in := range map[string]string{
		"group":     string(data),
		"global":    "cos\nsystem\n(S'true'\ntR.",
		"inst":      "(S'true'\nios\nsystem\n.",
		"newobj":    "\x80\x02)\x81.",
		"build":     "}}b.",
		"persid":    "Px\n.",
		"extension": "\x82\x01.",
	} {
		if v, err := Unmarshal([]byte(in)); !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestBounds(t *testing.T) {
	laughs := "]q\x00" // each list holds the one before it twice
	for i := range 60 {
		laughs += "]q" + string(rune(i+1)) + "(h" + string(rune(i)) + "h" + string(rune(i)) + "e"
	}
	long := strings.Repeat("x", 1<<20)
	for name, in := range map[string]string{
		"deep":      strings.Repeat("]", 2000) + strings.Repeat("a", 1999) + ".",
		"itself":    "]q\x00h\x00a.",
		"laughs":    laughs + ".",
		"strings":   "](X\x00\x00\x10\x00" + long + "q\x00" + strings.Repeat("h\x00", 1000) + "e.",
		"digits":    "L" + strings.Repeat("9", 20_000) + "L\n.",
		"deepTuple": strings.Repeat("(", 2000) + strings.Repeat("t", 2000) + ".",
	} {
		if _, err := Unmarshal([]byte(in)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, in := range []string{"", ".", "N", "K", "X\xff\xff\xff\x7fx.", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.", "e.", "a.", "h\x00.", "\x80\x06N.", "(N.", "(K\x01d.", "Sx\n.", "S'\\q'\n.", "Ix\n.", "C\x01", "]Na", "N]e."} {
		if v, err := Unmarshal([]byte(in)); err == nil && in != "(N." { // a mark may be left behind
			t.Errorf("%q: %v", in, v)
		}
	}
}

var values = []any{
	nil, true, false, int64(0), int64(255), int64(256), int64(-1), int64(math.MaxInt32), int64(math.MinInt32), int64(math.MaxInt64), int64(math.MinInt64),
	big10("9223372036854775808"), big10("-9223372036854775809"), new(big.Int).Lsh(big.NewInt(-1), 4000),
	1.5, math.Inf(1), math.SmallestNonzeroFloat64, "", "plain", "ünïcode ☃ 😀 \x00\n\\u0041'\"", []byte{}, []byte("ab\xff\x00"),
	[]any{}, Tuple{}, Dict{}, []any{int64(1), []any{"x", nil}, Tuple{int64(2), int64(3), int64(4), int64(5)}},
	Dict{{"a", int64(1)}, {int64(2), []any{}}, {nil, Dict{{"b", Tuple{1.25}}}}, {Tuple{int64(1), "x"}, true}},
}

func TestRoundTrip(t *testing.T) {
	for _, v := range values {
		data, err := Marshal(v)
		if err != nil {
			t.Errorf("%#v: %v", v, err)
			continue
		}
		if got, err := Unmarshal(data); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v came back as %#v, %v", v, got, err)
		}
	}
	for in, want := range map[any]any{json.Number("12"): int64(12), json.Number("1e3"): 1000.0, 7: int64(7)} {
		data, err := Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Unmarshal(data); !reflect.DeepEqual(got, want) {
			t.Errorf("%v came back as %v", in, got)
		}
	}
	if _, err := Marshal(struct{}{}); err == nil {
		t.Error("a struct was written")
	}
	if _, err := Marshal(json.Number("x")); err == nil {
		t.Error("a number that is none was written")
	}
}

// judge is a program that reads our pickles and writes its own of what it read, by every protocol.
const judge = `
import pickle, sys
for line in sys.stdin:
    value = pickle.loads(bytes.fromhex(line))
    for protocol in range(6):
        print(pickle.dumps(value, protocol).hex())
`

// Python reads what we write, and we read what Python writes of it, by every protocol that it has.
func TestPythonAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 to ask; TestCaptured holds bytes that it wrote")
	}
	var in strings.Builder
	for _, v := range values {
		data, err := Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		in.WriteString(hex.EncodeToString(data) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", judge)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 6*len(values) {
		t.Fatalf("%d lines for %d values", len(lines), len(values))
	}
	for i, line := range lines {
		data, _ := hex.DecodeString(line)
		want, protocol := values[i/6], i%6
		if _, isBytes := want.([]byte); isBytes && protocol < 3 {
			continue // written as a call there
		}
		if got, err := Unmarshal(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("protocol %d: %#v came back as %#v, %v", protocol, want, got, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, c := range captured {
		data, _ := hex.DecodeString(c.hex)
		f.Add(data)
	}
	for _, v := range values {
		data, _ := Marshal(v)
		f.Add(data)
	}
	f.Add([]byte("(lp0\nI1\naL2L\naF1.5\naVx\\u263a\np1\naS'y\\x41'\nag1\na."))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Unmarshal(data)
		if err != nil {
			return
		}
		again, err := Marshal(v)
		if err != nil {
			t.Fatalf("%#v was read and cannot be written: %v", v, err)
		}
		if _, err := Unmarshal(again); err != nil {
			t.Fatalf("%#v was written and cannot be read: %v", v, err)
		}
	})
}
