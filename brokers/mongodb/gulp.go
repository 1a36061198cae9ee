package mongodb

// gulpBytes is about how much of messages is read at once. Servers may bound an answer at 16 MiB, and FerretDB breaks one off
// that has more than 48 MB.
const gulpBytes = 4 << 20

// A gulp is how many documents to ask for, by the largest of those that came last: two at first, as nobody knows how large
// they are, and two of the largest kind still fit.
type gulp struct{ learnt int }

func (g gulp) most(bound int) int { return min(max(g.learnt, 2), bound) }

// learn takes from an answer what to ask for the next time: at most four times as many as came.
func (g *gulp) learn(docs []document) {
	largest := 0
	for _, d := range docs {
		largest = max(largest, d.size())
	}
	if largest > 0 {
		g.learnt = min(max(g.learnt, 4*len(docs)), gulpBytes/largest)
	}
}
