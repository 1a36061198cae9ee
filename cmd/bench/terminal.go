package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"taskbench/cmd/bench/display"
	"taskbench/reports"
)

// A screen is what a person sees of a stream; the zero value is none.
type screen struct {
	live  bool // the cursor can be moved
	color bool
	width func() int // columns, 0 unknown; nil where there is no screen
}

// screenOf tells whether somebody looks at what is written.
func screenOf(w io.Writer) screen {
	if r, ok := w.(*redacting); ok {
		w = r.to
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return screen{}
	}
	dumb := os.Getenv("TERM") == "dumb"
	return screen{live: !dumb, color: !dumb && os.Getenv("NO_COLOR") == "", width: func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return width
	}}
}

// progress makes the display that suits where stderr goes.
func (a *app) progress(quiet bool) *display.Display {
	s := screenOf(a.stderr)
	return display.New(a.stderr, display.Options{Live: s.live, Color: s.color, Width: s.width, Quiet: quiet, Now: a.now})
}

// tables are the options that suit where stdout goes.
func (a *app) tables(report string) reports.TextOptions {
	s := screenOf(a.stdout)
	o := reports.TextOptions{Color: s.color, Report: report}
	if s.width != nil {
		o.Width = s.width()
	}
	return o
}
