// Package nearest finds what somebody meant who typed a name wrongly.
package nearest

import "strings"

// Name returns the known name that is nearest to got, or "" when none is near enough to be worth suggesting:
// a third of the letters, and at least one, may differ. Case does not count. Of equally near names the first wins.
func Name(got string, known []string) string {
	got = strings.ToLower(got)
	best, least := "", max(1, len([]rune(got))/3)+1
	for _, name := range known {
		candidate := strings.ToLower(name)
		d := distance(got, candidate)
		if d >= least && len(got) >= 3 && strings.HasPrefix(candidate, got) {
			d = least - 1 // somebody who stopped typing is near, however long the rest
		}
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
