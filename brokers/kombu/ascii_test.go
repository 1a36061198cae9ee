package kombu

import (
	"reflect"
	"testing"

	"taskbench/brokers"
)

func TestASCIIMeansTheSame(t *testing.T) {
	m := brokers.Message{Headers: map[string]any{"größe": "żółć 😀 \u2028 \x7f plain"}, CorrelationID: "ü", Body: []byte("é")}
	raw, err := Encode(m, "", "qüeue")
	if err != nil {
		t.Fatal(err)
	}
	plain := ASCII(raw)
	for _, c := range plain {
		if c >= 0x80 {
			t.Fatalf("%q is left in %s", c, plain)
		}
	}
	want, _ := Decode("q", string(raw))
	if got, _ := Decode("q", string(plain)); !reflect.DeepEqual(got, want) || got.Headers["größe"] != m.Headers["größe"] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if again := ASCII(plain); &again[0] != &plain[0] {
		t.Error("what is ASCII was copied")
	}
}
