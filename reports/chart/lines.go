package chart

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"taskbench/reports/units"
)

// A Line is one series over time. Low and High, where given, are the envelope of its repeats and are shaded.
type Line struct {
	Name      string
	Series    int  // colour and dash
	Quiet     bool // drawn thin and grey: what was asked for, beside what came of it
	X, Y      []float64
	Low, High []float64
}

// MostNamed is how many bands are named. More of them are shaded and counted: their names would hide what they did.
const MostNamed = 8

// A Band is a stretch of time in which something was broken.
type Band struct {
	From, To float64
	Label    string
}

// Lines are series over time with the bands of the faults behind them. All values must be finite.
type Lines struct {
	Series []Line
	Bands  []Band
	XMax   float64              // 0: the last point
	YMax   float64              // 0: the highest point; panels beside each other share it
	Bytes  bool                 // the vertical axis counts bytes
	Spell  func(float64) string // labels of the vertical axis
}

func (l Lines) height() vg.Length { return 190 }

func (l Lines) legend() []entry {
	var es []entry
	for _, s := range l.Series {
		es = append(es, entry{s.Name, func(c draw.Canvas, left, middle vg.Length) {
			c.StrokeLine2(s.style(), left, middle, left+thumbWidth, middle)
		}})
	}
	return es
}

func (s Line) style() draw.LineStyle {
	if s.Quiet {
		return draw.LineStyle{Color: muted.rgb, Width: 1.1, Dashes: []vg.Length{1.5, 2}}
	}
	return seriesLine(s.Series)
}

func (l Lines) yTicks() even {
	unit := 1.0
	for l.Bytes && unit*1024 <= l.yHighest() {
		unit *= 1024
	}
	return even{about: 5, unit: unit, spell: l.Spell}
}

func (l Lines) yHighest() float64 {
	if l.YMax > 0 {
		return l.YMax
	}
	high := 0.0
	for _, s := range l.Series {
		for _, ys := range [][]float64{s.Y, s.High} {
			if len(ys) > 0 {
				high = max(high, slices.Max(ys))
			}
		}
	}
	if high <= 0 {
		return 1
	}
	return high
}

func (l Lines) axes(p *plot.Plot) {
	p.X.Min, p.X.Max = 0, l.XMax
	if l.XMax <= 0 {
		p.X.Max = 1
		for _, s := range l.Series {
			if len(s.X) > 0 {
				p.X.Max = max(p.X.Max, slices.Max(s.X))
			}
		}
	}
	p.X.Tick.Marker = even{about: 7, unit: 1, spell: units.Seconds}
	ticks := l.yTicks()
	// A little headroom, so that the highest line is not drawn over by the edge.
	p.Y.Min, p.Y.Max = 0, ticks.top(l.yHighest()*1.04)
	p.Y.Tick.Marker = ticks
	bare(&p.Y)
}

// Plot draws the bands, then the grid, then the lines; it implements plot.Plotter.
func (l Lines) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	for _, b := range l.Bands {
		from, to := trX(max(b.From, p.X.Min)), trX(min(b.To, p.X.Max))
		to = max(to, from+0.8) // what was over at once is seen, too
		c.FillPolygon(fault.with(0.11), []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
	}
	rules(c, p, true)
	if len(l.Bands) > MostNamed {
		l.countBands(c)
	} else {
		l.labelBands(c, trX, p)
	}
	for _, s := range l.Series {
		if len(s.Low) == len(s.X) && len(s.High) == len(s.X) && len(s.X) > 1 {
			c.FillPolygon(seriesRole(s.Series).with(0.15), c.ClipPolygonXY(envelope(s, trX, trY)))
		}
	}
	for _, s := range l.Series {
		line := make([]vg.Point, len(s.X))
		for i := range s.X {
			line[i] = vg.Point{X: trX(s.X[i]), Y: trY(s.Y[i])}
		}
		c.StrokeLines(s.style(), c.ClipLinesXY(line)...)
	}
}

func envelope(s Line, trX, trY func(float64) vg.Length) []vg.Point {
	var ps []vg.Point
	for i := range s.X {
		ps = append(ps, vg.Point{X: trX(s.X[i]), Y: trY(s.High[i])})
	}
	for i := len(s.X) - 1; i >= 0; i-- {
		ps = append(ps, vg.Point{X: trX(s.X[i]), Y: trY(s.Low[i])})
	}
	return ps
}

// countBands says how many bands there are.
func (l Lines) countBands(c draw.Canvas) {
	sty := face(textSize-1, false, fault)
	text := fmt.Sprintf("%d faults", len(l.Bands))
	c.FillText(sty, vg.Point{X: c.Max.X - sty.Width(text) - 4, Y: c.Max.Y - textSize}, text)
}

// labelBands writes what each band is beside its top, a line lower where the label before would be in the way,
// and marks the band's edges for those who do not see the shade.
func (l Lines) labelBands(c draw.Canvas, trX func(float64) vg.Length, p *plot.Plot) {
	sty := face(textSize-1, false, fault)
	edge := draw.LineStyle{Color: fault.with(0.55), Width: 0.9, Dashes: []vg.Length{3, 2}}
	var ends []vg.Length // of the labels, by row
	for _, b := range l.Bands {
		for _, at := range []float64{b.From, b.To} {
			if at > p.X.Min && at < p.X.Max {
				c.StrokeLine2(edge, trX(at), c.Min.Y, trX(at), c.Max.Y)
			}
		}
		name := fit(sty, b.Label, c.Size().X*0.6)
		left := min(trX(max(b.From, p.X.Min))+4, c.Max.X-sty.Width(name))
		row := 0
		for row < len(ends) && ends[row] > left {
			row++
		}
		if row == len(ends) {
			ends = append(ends, 0)
		}
		ends[row] = left + sty.Width(name) + 6
		c.FillText(sty, vg.Point{X: left, Y: c.Max.Y - textSize*vg.Length(row+1)}, name)
	}
}
