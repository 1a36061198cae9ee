package keys

import (
	"slices"
	"testing"
)

func TestListsOfPriorities(t *testing.T) {
	for p, want := range map[uint8]string{0: "q", 1: "q", 2: "q", 3: "q\x06\x163", 5: "q\x06\x163", 6: "q\x06\x166", 8: "q\x06\x166", 9: "q\x06\x169", 200: "q\x06\x169"} {
		if got := ListOf("q", p); got != want {
			t.Errorf("priority %d: list %q, want %q", p, got, want)
		}
	}
	want := []string{"a", "b", "a\x06\x163", "b\x06\x163", "a\x06\x166", "b\x06\x166", "a\x06\x169", "b\x06\x169"}
	if got := Lists([]string{"a", "b"}); !slices.Equal(got, want) {
		t.Errorf("lists of two queues: %q, want %q", got, want)
	}
	if got := ListsOf("b"); !slices.Equal(got, []string{want[1], want[3], want[5], want[7]}) {
		t.Errorf("lists of one queue: %q", got)
	}
}
