package mongodb

import (
	"slices"
	"testing"
)

func TestGulps(t *testing.T) {
	var g gulp
	var asked []int
	for _, c := range []struct{ came, size int }{{2, 0}, {8, 0}, {1, 0}, {32, 0}, {100, 1 << 20}, {4, 0}, {1, 13 << 20}, {2, 13 << 20}, {2, 0}} {
		n := g.most(100)
		asked = append(asked, n)
		docs := make([]document, min(c.came, n))
		for i := range docs {
			docs[i].Envelope = make([]byte, c.size)
		}
		g.learn(docs)
	}
	g.learn(nil)
	if want := []int{2, 8, 32, 32, 100, 3, 12, 2, 2}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}
