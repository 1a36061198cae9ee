package expect

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"taskbench/harness/scenario"
)

// token finds strings, names, and numbers with whatever unit hangs on to them.
var token = regexp.MustCompile("'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|" +
	`[A-Za-z_][A-Za-z0-9_]*|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?:[kM]?/[smh]\b|[A-Za-z][A-Za-z0-9.]*)?`)

var number = regexp.MustCompile(`^[0-9][0-9_]*(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// literals replaces durations by seconds, sizes by bytes and rates by tasks a second: `20s`, `64KiB`, `600/m`.
func literals(text string) (string, error) {
	var wrong error
	out := token.ReplaceAllStringFunc(text, func(t string) string {
		if t[0] < '0' || t[0] > '9' || number.MatchString(t) {
			return t
		}
		v, err := literal(t)
		if err != nil && wrong == nil {
			wrong = err
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	})
	return out, wrong
}

func literal(t string) (float64, error) {
	if strings.Contains(t, "/") {
		return scenario.ParseRate(t)
	}
	if d, err := scenario.ParseDuration(t); err == nil {
		return d.Seconds(), nil
	}
	if n, err := scenario.ParseSize(t); err == nil {
		return float64(n), nil
	}
	return 0, fmt.Errorf("%q is neither a number nor a duration such as 20ms, a size such as 64MiB or a rate such as 200/s", t)
}
