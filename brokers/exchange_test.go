package brokers

import (
	"strings"
	"testing"
	"time"
)

func TestFits(t *testing.T) {
	for _, c := range []struct {
		kind         ExchangeKind
		pattern, key string
		want         bool
	}{
		{Direct, "a", "a", true}, {Direct, "a", "b", false}, {Direct, "#", "a", false}, {Direct, "", "", true},
		{Fanout, "a", "b", true}, {Fanout, "", "", true},
		{Topic, "#", "", true}, {Topic, "#", "a.b.c", true}, {Topic, "*", "a", true}, {Topic, "*", "a.b", false},
		{Topic, "a.*", "a.b", true}, {Topic, "a.*", "a", false}, {Topic, "a.*", "a.b.c", false}, {Topic, "a.#", "a", true},
		{Topic, "a.#", "a.b.c", true}, {Topic, "#.c", "c", true}, {Topic, "#.c", "a.b.c", true}, {Topic, "#.c", "a.c.b", false},
		{Topic, "a.#.d.*", "a.b.c.d.e", true}, {Topic, "a.#.d.*", "a.d.d", true}, {Topic, "a.#.d.*", "a.d", false},
		{Topic, "#.#", "", true}, {Topic, "a.b", "a.b", true}, {Topic, "a.b", "a.bc", false}, {Topic, "*.*", "a", false},
		{Topic, "*", "", false}, {Topic, "", "", true}, {Topic, "", "a", false},
	} {
		if got := c.kind.Fits(c.pattern, c.key); got != c.want {
			t.Errorf("%s %q and %q: %v, want %v", c.kind, c.pattern, c.key, got, c.want)
		}
	}
}

// Whoever may bind a queue must not be able to keep a broker busy with one pattern.
func TestNoPatternTakesLong(t *testing.T) {
	pattern, key := strings.Repeat("#.*.", 500)+"end", strings.Repeat("a.", 2000)+"b"
	began := time.Now()
	if Topic.Fits(pattern, key) || time.Since(began) > 2*time.Second {
		t.Errorf("a wrong answer, or %v for it", time.Since(began))
	}
}
