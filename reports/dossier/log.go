package dossier

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"taskbench/harness"
)

const (
	around   = 500 * time.Millisecond // of an event, or of a fault's beginning
	logLines = 8                      // of each node, at most
)

// around are the lines of the cell's logs that name the task, and those that were written around what happened to it.
// Servers write the time in forms of their own; of a line without one it is that of the line before.
func (b *Book) around(d Dossier) []Log {
	began, err := time.Parse(time.RFC3339Nano, b.meta.Started)
	if err != nil || b.logs == nil {
		return nil
	}
	var moments []time.Time
	for _, e := range d.Events {
		moments = append(moments, began.Add(time.Duration(e.At*1e9)))
	}
	for _, f := range d.Faults {
		moments = append(moments, began.Add(time.Duration(f.At*1e9)))
	}
	var all []Log
	for _, file := range b.cell.Logs {
		l := Log{File: file, Node: strings.TrimPrefix(strings.TrimSuffix(file, ".log"), "logs/"+CellName(b.cell)+".")}
		b.read(&l, d.ID, moments)
		if len(l.Lines) > 0 {
			all = append(all, l)
		}
	}
	return all
}

func (b *Book) read(l *Log, id string, moments []time.Time) {
	var files []io.Reader
	for _, name := range []string{harness.EarlierLog(l.File), l.File} {
		f, err := b.logs.Open(name)
		if err != nil {
			continue // a library has no log, and few have an earlier one
		}
		defer f.Close()
		files = append(files, f)
	}
	var at time.Time
	scanner := bufio.NewScanner(io.MultiReader(files...))
	scanner.Buffer(nil, 1<<20)
	type candidate struct {
		line  string
		named bool
	}
	var list []candidate
	named := 0
	for scanner.Scan() {
		line := plain(scanner.Text())
		if t, ok := stamp(line); ok {
			at = t
		}
		switch {
		case strings.Contains(line, id):
			list = append(list, candidate{line, true})
			named++
		case near(at, moments):
			list = append(list, candidate{line, false})
		}
	}
	room := max(0, logLines-named) // for those that do not name it
	for _, c := range list {
		switch {
		case c.named:
		case room == 0:
			l.More++
			continue
		default:
			room--
		}
		l.Lines = append(l.Lines, c.line)
	}
	if err := scanner.Err(); err != nil { // what comes after may name the task, too
		l.Lines = append(l.Lines, fmt.Sprintf("(the log is read no further: %v)", err))
	}
}

// colour is how a server tells a terminal to change it.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// plain is a line without what a terminal would obey.
func plain(line string) string {
	line = colour.ReplaceAllString(line, "")
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f {
			return -1
		}
		return c
	}, line)
}

func near(at time.Time, moments []time.Time) bool {
	for _, m := range moments {
		if d := at.Sub(m); d.Abs() <= around {
			return true
		}
	}
	return false
}

var (
	isoStamp  = regexp.MustCompile(`(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?`)
	wordStamp = regexp.MustCompile(`(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d)(?:\.(\d+))?`) // Redis
)

// stamp is the time of a line; one without a zone is taken for UTC.
func stamp(line string) (time.Time, bool) {
	line = line[:min(len(line), 120)]
	if m := isoStamp.FindStringSubmatch(line); m != nil {
		zone := strings.ReplaceAll(m[6], ":", "")
		if zone == "" || zone == "Z" {
			zone = "+0000"
		}
		t, err := time.Parse("2006-01-02T15:04:05.999999999-0700", m[1]+"-"+m[2]+"-"+m[3]+"T"+m[4]+fraction(m[5])+zone)
		return t, err == nil
	}
	if m := wordStamp.FindStringSubmatch(line); m != nil {
		t, err := time.Parse("02 Jan 2006 15:04:05.999999999", m[1]+" "+m[2]+" "+m[3]+" "+m[4]+fraction(m[5]))
		return t, err == nil
	}
	return time.Time{}, false
}

func fraction(digits string) string {
	if digits == "" {
		return ""
	}
	return "." + digits
}
