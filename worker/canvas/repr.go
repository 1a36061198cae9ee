package canvas

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"taskbench/worker/message"
)

// repr shows a failure as Python would show the exception: ValueError('x').
func repr(e *TaskError) string {
	if e.Err == nil {
		return string(e.State)
	}
	args := make([]string, 0, len(e.Err.Args))
	for _, raw := range e.Err.Args {
		args = append(args, reprJSON(raw))
	}
	return e.Err.Type + "(" + strings.Join(args, ", ") + ")"
}

func reprJSON(raw json.RawMessage) string {
	v, err := message.Decode(raw)
	if err != nil {
		return string(raw)
	}
	return reprValue(v)
}

func reprValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return reprString(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case []any:
		items := make([]string, 0, len(v))
		for _, item := range v {
			items = append(items, reprValue(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, reprString(name)+": "+reprValue(v[name]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(raw)
}

// reprString quotes as Python does: with double quotes only where the text has single ones and no double ones.
func reprString(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, quote, `\`+quote).Replace(s)
	return quote + s + quote
}
