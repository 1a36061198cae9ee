package feed

import "cmp"

// How many messages one claim may bring: few at first, as nobody knows how large they are.
const (
	gulp      = 256
	firstGulp = 16
	gulpBytes = 4 << 20
)

// A Gulp tells how many messages a source claims at once, going by the size of those that it claimed before. It is 16 at
// first, and 256 or some 4 MiB at most. The zero Gulp is ready to use; it is not safe for concurrent use.
type Gulp struct {
	First int // how many it is at first, unless that is 0
	most  int
}

// Most is how many messages the next claim may bring: one at least.
func (g *Gulp) Most() int {
	return cmp.Or(g.most, g.First, firstGulp)
}

// Learn takes in that a claim brought n messages of so many bytes in all. One that came back full lets the next be larger.
func (g *Gulp) Learn(n, bytes int) {
	switch {
	case bytes > gulpBytes:
		g.most = max(1, int(int64(n)*gulpBytes/int64(bytes)))
	case n >= g.Most():
		g.most = min(2*g.Most(), gulp)
	}
}
