package control

import (
	"encoding/json"
	"slices"
	"testing"

	"taskbench/brokers"
)

// The results are those of Python's fnmatch.fnmatchcase and re.match.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		matcher, pattern, name string
		want                   bool
	}{
		{"glob", "w*", "w1@lab", true}, {"glob", "w*", "x1@lab", false}, {"glob", "w?@lab", "w1@lab", true},
		{"glob", "w?@lab", "w11@lab", false}, {"glob", "*/b", "a/x/b", true}, {"glob", "w[12]@*", "w2@lab", true},
		{"glob", "w[!12]@*", "w2@lab", false}, {"glob", "w[!12]@*", "w3@lab", true}, {"glob", "w[]1]", "w]", true},
		{"glob", "w[1", "w[1", true}, {"glob", "w.1", "wx1", false}, {"glob", "größe*", "größe@x", true}, {"glob", "w[ö-ü]", "wö", true},
		{"glob", "W1", "w1", false}, {"glob", "a*", "a\nb", true}, {"glob", "[^a]", "^", true}, {"glob", "[^a]", "b", false},
		{"pcre", "w1", "w1@lab", true}, {"pcre", "1@", "w1@lab", false}, {"pcre", `w\d+@(lab|site)$`, "w11@site", true},
		{"pcre", "a|b", "bx", true},
	} {
		r := request{Pattern: &c.pattern, Matcher: &c.matcher}
		if got, err := r.isFor(c.name); got != c.want || err != nil {
			t.Errorf("%s %q for %q: %v, %v, want %v", c.matcher, c.pattern, c.name, got, err, c.want)
		}
	}
}

func TestArguments(t *testing.T) {
	args := map[string]json.RawMessage{"n": []byte("3"), "s": []byte(`"x"`), "l": []byte(`["a","b"]`), "z": []byte("null")}
	if n, err := Arg(args, "n", 7); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, absent := range []string{"absent", "z"} {
		if n, err := Arg(args, absent, 7); n != 7 || err != nil {
			t.Errorf("%s: %d, %v", absent, n, err)
		}
		if _, err := Need[int](args, absent); err == nil || err.Error() != `TypeError("missing 1 required positional argument: '`+absent+`'")` {
			t.Errorf("%s: %v", absent, err)
		}
	}
	if _, err := Arg(args, "s", 7); err == nil {
		t.Error("a text was taken for a number")
	}
	for text, want := range map[string]bool{"true": true, "false": false, "1": true, "0": false, "2.5": true, "null": false, "": false} {
		args := map[string]json.RawMessage{"b": []byte(text)}
		if text == "" {
			args = nil
		}
		if got, err := Bool(args, "b"); got != want || err != nil {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if _, err := Bool(args, "s"); err == nil {
		t.Error("a text was taken for a yes or no")
	}
	for name, want := range map[string][]string{"s": {"x"}, "l": {"a", "b"}} {
		if got, err := Strings(args, name); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := Strings(args, "n"); err == nil {
		t.Error("a number was taken for texts")
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"method": "ping", "arguments": {}, "destination": null, "pattern": null, "matcher": null, "ticket": "t", "reply_to": {"exchange": "e", "routing_key": "k"}}`,
		`{"method": "ping", "destination": ["w1@lab"]}`, `{"method": "ping", "destination": "w1@lab"}`,
		`{"method": "ping", "pattern": "[!a-]*?[", "matcher": "glob"}`, `{"method": "x", "pattern": "(a|b)*", "matcher": "pcre"}`,
		`{"method": "revoke", "arguments": {"task_id": ["a", "b"], "signal": null}}`, `{"method": ""}`, `[`, "null",
	} {
		f.Add([]byte(seed), "w1@lab")
	}
	f.Fuzz(func(t *testing.T, body []byte, node string) {
		r, err := decode(brokers.Message{ContentType: jsonType, Body: body})
		if err != nil {
			return
		}
		if r.Method == "" {
			t.Error("a command without a method was read")
		}
		first, err := r.isFor(node)
		if err != nil {
			return // a pattern that is none
		}
		written, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := decode(brokers.Message{ContentType: jsonType, Body: written})
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if second, err := again.isFor(node); second != first || err != nil || again.Method != r.Method {
			t.Errorf("%s is for %s: %v, and when written again %v, %v", body, node, first, second, err)
		}
	})
}
