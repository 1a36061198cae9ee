package feed

import (
	"slices"
	"testing"
)

func TestGulpMindsSize(t *testing.T) {
	var g Gulp
	asked := []int{}
	for _, size := range []int{100, 100, 100, 100, 100, 100, 1 << 20, 1 << 20, 10 << 20, 100} {
		n := g.Most()
		asked = append(asked, n)
		g.Learn(n, n*size)
	}
	if want := []int{16, 32, 64, 128, 256, 256, 256, 4, 8, 1}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// What brings less than it may says nothing of the next.
func TestGulpStaysWhereLittleCame(t *testing.T) {
	var g Gulp
	for _, n := range []int{0, 1, 15} {
		if g.Learn(n, n); g.Most() != 16 {
			t.Errorf("after %d messages the next claim may bring %d, want 16", n, g.Most())
		}
	}
}
