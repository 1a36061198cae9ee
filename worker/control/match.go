package control

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// isFor tells whether a node is meant: by its name; else by a pattern, which counts only with its matcher; else all are.
func (r request) isFor(node string) (bool, error) {
	if len(r.Destination) > 0 {
		return slices.Contains(r.Destination, node), nil
	}
	if r.Pattern == nil || r.Matcher == nil || *r.Pattern == "" || *r.Matcher == "" {
		return true, nil
	}
	var expression string
	switch *r.Matcher {
	case "glob":
		expression = `(?s)^(?:` + globExpression(*r.Pattern) + `)$`
	case "pcre":
		expression = `^(?:` + *r.Pattern + `)` // as Python's re.match: from the start, and not to the end
	default:
		return false, fmt.Errorf("no matcher %.40q: there is glob and pcre", *r.Matcher)
	}
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return false, fmt.Errorf("pattern %.80q: %w", *r.Pattern, err)
	}
	return pattern.MatchString(node), nil
}

// globExpression is the regular expression of a shell's pattern, as Python's fnmatch has it: a * crosses slashes, a
// set is negated by !, and a bracket that is never closed is a bracket.
func globExpression(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			set, rest, closed := cutSet(pattern[i+1:])
			if !closed {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString(set)
			i = len(pattern) - len(rest) - 1
		default:
			end := i + 1
			for end < len(pattern) && !strings.ContainsRune("*?[", rune(pattern[end])) {
				end++
			}
			b.WriteString(regexp.QuoteMeta(pattern[i:end]))
			i = end - 1
		}
	}
	return b.String()
}

// cutSet reads a set up to its closing bracket, which does not close it as its first member.
func cutSet(s string) (set, rest string, closed bool) {
	from := 0
	if strings.HasPrefix(s, "!") {
		from = 1
	}
	first := from
	if strings.HasPrefix(s[from:], "]") {
		first++
	}
	end := strings.IndexByte(s[first:], ']')
	if end < 0 {
		return "", s, false
	}
	end += first
	members := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(s[from:end])
	if from == 1 {
		members = "^" + members
	}
	return "[" + members + "]", s[end+1:], true
}
