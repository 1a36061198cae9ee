package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"taskbench/cmd/bench/display"
)

// display makes the display that suits where stderr goes.
func (a *app) display(quiet bool) *display.Display {
	o := display.Options{Quiet: quiet, Now: a.now}
	if f := underlyingFile(a.stderr); f != nil && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		o.Live = true
		o.Color = os.Getenv("NO_COLOR") == ""
		o.Width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	}
	return display.New(a.stderr, o)
}

func underlyingFile(w io.Writer) *os.File {
	if r, ok := w.(redacting); ok {
		w = r.to
	}
	f, _ := w.(*os.File)
	return f
}
