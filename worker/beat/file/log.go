package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"taskbench/worker/beat"
)

// header is the first line of each state file.
const header = `{"beat":1}` + "\n"

// A line is a mark in the log.
type line struct {
	Name     string    `json:"name"`
	Schedule string    `json:"schedule,omitempty"`
	Last     time.Time `json:"last,omitzero"`
	Claim    time.Time `json:"claim,omitzero"`
	Runs     int64     `json:"runs,omitempty"`
	Done     bool      `json:"done,omitempty"`
}

func appendLine(b *strings.Builder, m beat.Mark) {
	text, err := json.Marshal(line(m))
	if err != nil {
		return // no time of a schedule is beyond the year 9999
	}
	b.Write(text)
	b.WriteByte('\n')
}

func encodeLog(marks map[string]beat.Mark) string {
	var b strings.Builder
	b.WriteString(header)
	for _, name := range names(marks) {
		appendLine(&b, marks[name])
	}
	return b.String()
}

// decodeLog reads a log into marks. It returns the damage, which a last line without an end is not.
func decodeLog(text string, marks map[string]beat.Mark) error {
	rest, ok := strings.CutPrefix(text, header)
	if !ok {
		return fmt.Errorf("line 1 is not %s", strings.TrimSpace(header))
	}
	var damage error
	for n := 2; rest != ""; n++ {
		var text string
		var whole bool
		text, rest, whole = strings.Cut(rest, "\n")
		if !whole {
			break
		}
		var l line
		err := json.Unmarshal([]byte(text), &l)
		if err == nil && l.Name == "" {
			err = errors.New("it has no name")
		}
		if err != nil {
			if damage == nil {
				damage = fmt.Errorf("line %d is not a mark: %w", n, err)
			}
			continue
		}
		if m := beat.Mark(l); m.Forgotten() {
			delete(marks, m.Name)
		} else {
			marks[m.Name] = m
		}
	}
	return damage
}
