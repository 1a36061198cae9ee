// Package logging sets log/slog up for a worker: text or JSON, a level for each module, and what tasks print as
// records that say which task it was.
//
// A module is a name in the attribute "module" of a logger, as For sets it. Its parts are separated by dots, and a
// level that is set for "pool" holds for "pool.prefork" too, unless that has one of its own.
package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Module is the attribute that says of which part of the program a record is.
const Module = "module"

// For returns a logger of a module: "worker", "pool", "beat", "events", "control", "canvas", "health", "task".
func For(l *slog.Logger, module string) *slog.Logger { return l.With(Module, module) }

// A Format is how records are written.
type Format string

// The formats: for people, and for machines.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Formats lists the formats, for help and completion.
func Formats() []string { return []string{string(Text), string(JSON)} }

// ParseFormat reads a format's name.
func ParseFormat(s string) (Format, error) {
	if !slices.Contains(Formats(), s) {
		return "", fmt.Errorf("log format %q is not one of %s", s, strings.Join(Formats(), ", "))
	}
	return Format(s), nil
}

// Levels say from which level on records are written. The zero value is info for all.
type Levels struct {
	Rest    slog.Level            // of modules that are not named
	Modules map[string]slog.Level // by module
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// ParseLevels reads "info", or a list such as "warn,pool=debug,beat=info" in which the entry without a module is for
// all others. All that is wrong is reported at once.
func ParseLevels(spec string) (Levels, error) {
	var l Levels
	var errs []error
	rest := false
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("log level: "+format, args...)) }
	for entry := range strings.SplitSeq(spec, ",") {
		module, name, named := strings.Cut(strings.TrimSpace(entry), "=")
		if !named {
			module, name = "", module
		}
		module, name = strings.TrimSpace(module), strings.ToLower(strings.TrimSpace(name))
		level, known := levels[name]
		_, again := l.Modules[module]
		switch {
		case named && module == "":
			wrong("%q names no module", entry)
		case !known:
			wrong("%q is not one of debug, info, warn, error, in %q", name, entry)
		case again:
			wrong("module %s has two levels", module)
		case !named && rest:
			wrong("there are two levels without a module; the second is %q", name)
		case !named:
			l.Rest, rest = level, true
		default:
			if l.Modules == nil {
				l.Modules = map[string]slog.Level{}
			}
			l.Modules[module] = level
		}
	}
	return l, errors.Join(errs...)
}

// Of is the level of a module: its own, or that of the nearest module above it that has one.
func (l Levels) Of(module string) slog.Level {
	for module != "" {
		if level, ok := l.Modules[module]; ok {
			return level
		}
		module = module[:max(0, strings.LastIndexByte(module, '.'))]
	}
	return l.Rest
}

// least is the lowest level that any module has.
func (l Levels) least() slog.Level {
	return slices.Min(append(slices.Collect(maps.Values(l.Modules)), l.Rest))
}

// New returns a logger that writes to w, a record at a time; w need not be safe for concurrent use.
func New(w io.Writer, f Format, l Levels) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.least()}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if f == JSON {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(Leveled(h, l))
}
