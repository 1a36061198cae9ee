package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// A field is one of the five columns of a crontab. Its values are small, so that a set of them is a bit mask.
type field struct {
	name     string
	min, max int
	names    []string // three letters each, the first means min
}

var (
	minuteField     = field{name: "minute", max: 59}
	hourField       = field{name: "hour", max: 23}
	dayOfMonthField = field{name: "day of month", min: 1, max: 31}
	monthField      = field{name: "month", min: 1, max: 12,
		names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}}
	dayOfWeekField = field{name: "day of week", max: 6, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}
)

// A set holds values of a field: bit v stands for value v.
type set uint64

func (s set) has(v int) bool { return s>>v&1 != 0 }

// from returns the least value that is v or more.
func (s set) from(v int) (int, bool) {
	if s >>= v; s == 0 {
		return 0, false
	}
	return v + bits.TrailingZeros64(uint64(s)), true
}

func (s set) first() int { return bits.TrailingZeros64(uint64(s)) }

// parse expands the text of a field. No text at all is "*", as an argument that Celery is not given.
func (f field) parse(text string) (set, error) {
	if text == "" || text == "*" {
		return set(1)<<(f.max+1) - set(1)<<f.min, nil
	}
	var all set
	for rest, more := text, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		values, err := f.part(strings.TrimSpace(part))
		if err != nil {
			return 0, fmt.Errorf("%s %q: %w", f.name, text, err)
		}
		all |= values
	}
	return all, nil
}

// part expands what stands between two commas: n, a-b, a-b/step, * or */step.
func (f field) part(part string) (set, error) {
	switch {
	case part == "":
		return 0, fmt.Errorf("there is an empty part: remove the comma too many")
	case part[0] == '-':
		return 0, fmt.Errorf("%s: negative numbers are not supported", part)
	}
	body, steps, stepped := strings.Cut(part, "/")
	first, last, ranged := strings.Cut(body, "-")
	from, to := f.min, f.max
	if body != "*" {
		var err error
		if from, err = f.number(first); err != nil {
			return 0, err
		}
		switch {
		case ranged:
			if to, err = f.number(last); err != nil {
				return 0, err
			}
		case stepped:
			return 0, fmt.Errorf("%s: a step needs a range: write %s-%d/%s", part, first, f.max, steps)
		default:
			return 1 << from, nil
		}
	}
	step := 1
	if stepped {
		var ok bool
		if step, ok = digits(steps); !ok || step == 0 {
			return 0, fmt.Errorf("%s: the step must be a number from 1", part)
		}
	}
	return f.expand(from, to, step), nil
}

// expand takes every step-th value of the sequence from..to, which starts again at min where to is below from.
// The step counts places in that sequence, not values: 50-10/5 is 50, 55, 0, 5, 10.
func (f field) expand(from, to, step int) set {
	size := f.max - f.min + 1
	length := to - from + 1
	if length <= 0 {
		length += size
	}
	var s set
	for i := 0; i < length; i += step {
		s |= 1 << (f.min + (from-f.min+i)%size)
	}
	return s
}

// number reads a value: digits, or in a field with names a word that starts with one of these.
func (f field) number(word string) (int, error) {
	n, ok := digits(word)
	if !ok {
		if n, ok = f.named(word); !ok {
			return 0, fmt.Errorf("%q is not a %s: it takes %s", word, f.name, f.wants())
		}
	}
	if n < f.min || n > f.max {
		return 0, fmt.Errorf("%s is not between %d and %d%s", word, f.min, f.max, f.hint(n))
	}
	return n, nil
}

func (f field) named(word string) (int, bool) {
	for _, c := range []byte(word) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return 0, false
		}
	}
	for i, name := range f.names {
		if len(word) >= len(name) && strings.EqualFold(word[:len(name)], name) {
			return f.min + i, true
		}
	}
	return 0, false
}

func (f field) wants() string {
	s := fmt.Sprintf("%d-%d", f.min, f.max)
	if f.names != nil {
		s += fmt.Sprintf(" or %s..%s", f.names[0], f.names[len(f.names)-1])
	}
	return s + ", ranges, lists and steps, and no L, W, # or ?"
}

func (f field) hint(n int) string {
	if f.name == dayOfWeekField.name && n == 7 {
		return ": Sunday is 0"
	}
	return ""
}

// digits reads a decimal number without a sign, small enough for sums of an int anywhere.
func digits(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 30)
	return int(n), err == nil
}
