// Package display shows the progress of a run to a person: a few lines that are redrawn in place on a terminal,
// and plain lines of text everywhere else.
package display

import (
	"io"
	"strings"
	"sync"
	"time"

	"taskbench/harness"
)

// Options say what the writer can do.
type Options struct {
	Live  bool       // it is a terminal that understands cursor movement
	Color bool       // and colour
	Width func() int // of the terminal in columns, asked at each drawing; nil or 0 is 80
	Quiet bool       // show notes only
	Now   func() time.Time
}

const (
	redrawEvery = 100 * time.Millisecond // no eye follows more, and slow terminals lag
	plainEvery  = 5 * time.Second
)

// A Display is one run's. Its methods may be called from several goroutines.
type Display struct {
	out io.Writer
	o   Options

	mu    sync.Mutex
	drawn int // lines of the block that stand on the screen now
	last  harness.Progress
	at    time.Time // of the last drawing
}

// New makes a display that writes to out and owns the lines below the cursor until Close.
func New(out io.Writer, o Options) *Display {
	if o.Width == nil {
		o.Width = func() int { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Display{out: out, o: o}
}

// Watch is a harness.Watcher.
func (d *Display) Watch(p harness.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.Note != "" {
		d.write(d.clear() + strings.TrimRight(prefix(p)+p.Note, "\n") + "\n" + d.redraw())
		return
	}
	if d.o.Quiet {
		return
	}
	now := d.o.Now()
	turned := p.Cell != d.last.Cell || p.Phase != d.last.Phase || strings.Join(p.Faults, ",") != strings.Join(d.last.Faults, ",")
	every := plainEvery
	if d.o.Live {
		every = redrawEvery
	}
	if !turned && now.Sub(d.at) < every {
		return
	}
	d.last, d.at = p, now
	if !d.o.Live {
		d.write(line(p) + "\n")
		return
	}
	d.write(d.up() + d.redraw())
}

// Write prints what somebody else has to say above the block, which would else be drawn over it.
func (d *Display) Write(text []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.drawn == 0 {
		return d.out.Write(text)
	}
	// What the terminal echoed of the keyboard, such as ^C, stands on the line of the cursor and goes with the block.
	if _, err := io.WriteString(d.out, d.clear()+strings.Trim(string(text), "\n")+"\n"+d.redraw()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Close takes the block off the screen and leaves the cursor at the start of a line. A second call does nothing.
func (d *Display) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if erase := d.clear(); erase != "" {
		d.write(erase)
	}
	d.last = harness.Progress{}
}

// write is one call, so that a terminal never shows half a drawing. An error is not told: the run matters more
// than the view of it.
func (d *Display) write(s string) { _, _ = io.WriteString(d.out, s) }

// up returns what moves the cursor to the start of the block, which can then be written over without a flicker.
func (d *Display) up() string { return strings.Repeat("\x1b[A", d.drawn) }

// clear returns what erases the block.
func (d *Display) clear() string {
	if d.drawn == 0 {
		return ""
	}
	up := d.up()
	d.drawn = 0
	return up + "\r\x1b[J"
}

// redraw returns the block, each line cut to the width so that none wraps. There are always as many lines.
func (d *Display) redraw() string {
	if !d.o.Live || d.last.Cell == 0 {
		return ""
	}
	width := d.o.Width()
	if width <= 0 {
		width = 80
	}
	lines := block(d.last)
	d.drawn = len(lines)
	var b strings.Builder
	for i, l := range lines {
		l = cut(l, width-1) // the last column is left free: some terminals wrap when it is filled
		if d.o.Color && i == 0 {
			l = "\x1b[1m" + l + "\x1b[0m"
		}
		if d.o.Color && i > 0 && len(d.last.Faults) > 0 {
			l = "\x1b[33m" + l + "\x1b[0m"
		}
		b.WriteString(l + "\x1b[K\n")
	}
	return b.String()
}

func cut(s string, width int) string {
	runes := []rune(s)
	if width < 1 || len(runes) <= width {
		return s
	}
	return string(runes[:width-1]) + "…"
}
