package kombu

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// A parser reads JSON into plain values: integers become int64 (uint64 where they need it), other numbers float64.
// It exists because decoding is most of what a delivery costs, and encoding/json takes five times as long; and
// because it must read Python's dialect, which has words for numbers that are not finite. They become nil.
type parser struct {
	s string
	i int
}

var errJSON = errors.New("not JSON")

// deepest bounds nesting, so that hostile bytes cannot exhaust the stack.
const deepest = 200

func parseJSON(s string) (any, error) {
	p := parser{s: s}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i != len(s) {
		return nil, errJSON
	}
	return v, nil
}

func (p *parser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t' || p.s[p.i] == '\r') {
		p.i++
	}
}

// next skips space and the byte c, if it is there.
func (p *parser) next(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	if strings.HasPrefix(p.s[p.i:], w) {
		p.i += len(w)
		return true
	}
	return false
}

func (p *parser) value(depth int) (any, error) {
	p.space()
	switch {
	case depth > deepest || p.i == len(p.s):
		return nil, errJSON
	case p.s[p.i] == '"':
		return p.string()
	case p.s[p.i] == '{':
		return p.object(depth)
	case p.s[p.i] == '[':
		return p.list(depth)
	case p.word("null"), p.word("NaN"), p.word("Infinity"), p.word("-Infinity"):
		return nil, nil
	case p.word("true"):
		return true, nil
	case p.word("false"):
		return false, nil
	}
	return p.number()
}

func (p *parser) object(depth int) (any, error) {
	p.i++
	m := make(map[string]any, 8)
	if p.next('}') {
		return m, nil
	}
	for {
		if p.space(); p.i == len(p.s) || p.s[p.i] != '"' {
			return nil, errJSON
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if !p.next(':') {
			return nil, errJSON
		}
		if m[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if p.next('}') {
			return m, nil
		}
		if !p.next(',') {
			return nil, errJSON
		}
	}
}

func (p *parser) list(depth int) (any, error) {
	p.i++
	list := []any{}
	if p.next(']') {
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.next(']') {
			return list, nil
		}
		if !p.next(',') {
			return nil, errJSON
		}
	}
}

// string takes a whole run up to the next quote at once, since bodies are long. The rare strings with escapes are
// left to encoding/json.
func (p *parser) string() (string, error) {
	from := p.i
	p.i++
	run := strings.IndexByte(p.s[p.i:], '"')
	if run < 0 {
		return "", errJSON
	}
	if s := p.s[p.i : p.i+run]; strings.IndexByte(s, '\\') < 0 {
		p.i += run + 1
		return s, nil
	}
	for ; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '"':
			p.i++
			var s string
			err := json.Unmarshal([]byte(p.s[from:p.i]), &s)
			return s, err
		case '\\':
			p.i++
		}
	}
	return "", errJSON
}

func (p *parser) number() (any, error) {
	from := p.i
	for p.i < len(p.s) && strings.IndexByte("+-.eE0123456789", p.s[p.i]) >= 0 {
		p.i++
	}
	token := p.s[from:p.i]
	if token == "" || token[0] == '+' || token[0] == '.' {
		return nil, errJSON
	}
	if n, err := strconv.ParseInt(token, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(token, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(token, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, errJSON
	}
	return f, nil
}
