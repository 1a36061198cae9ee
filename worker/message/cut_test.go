package message

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestElements(t *testing.T) {
	got, err := Elements([]byte(` [1, [NaN], {"a": "]"}] `))
	if want := []json.RawMessage{[]byte("1"), []byte("[NaN]"), []byte(`{"a": "]"}`)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := Elements([]byte("null")); len(got) != 0 || err != nil {
		t.Errorf("null: %s, %v", got, err)
	}
	for _, bad := range []string{"", "{}", "[1", "[1] 2", "1", "nul"} {
		if got, err := Elements([]byte(bad)); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

func TestMembers(t *testing.T) {
	got, err := Members([]byte(` {"a": Infinity, "\u0062": {}} `))
	if want := map[string]json.RawMessage{"a": []byte("Infinity"), "b": []byte("{}")}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "[]", `{"a": 1`, `{} 2`, `"a"`, `{"a"}`} {
		if got, err := Members([]byte(bad)); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}
