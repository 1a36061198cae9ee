package chart

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"taskbench/reports/units"
)

// Ranges show percentiles as bars from the median to the 99th percentile, with a whisker to the maximum.
type Ranges struct {
	Names    []Name // of the series
	Rows     []Row
	Min, Max float64 // of the axis, in seconds; 0: what the marks need
}

// A Name is one line of the legend.
type Name struct {
	Text   string
	Series int
}

// A Row is one stage with a mark for every series that has one.
type Row struct {
	Label string
	Marks []Mark
}

// A Mark is one series' percentiles in seconds. All must be finite.
type Mark struct {
	Series             int
	P50, P90, P99, Max float64
}

const (
	markHeight  vg.Length = 13
	labelHeight vg.Length = 18
	rowGap      vg.Length = 5
)

func (r Row) height() vg.Length { return labelHeight + markHeight*vg.Length(len(r.Marks)) + rowGap }

func (r Ranges) height() vg.Length {
	h := vg.Length(22)
	for _, row := range r.Rows {
		h += row.height()
	}
	return h
}

func (r Ranges) legend() []entry {
	var es []entry
	for _, name := range r.Names {
		es = append(es, entry{name.Text, func(c draw.Canvas, left, middle vg.Length) {
			drawMark(c, name.Series, middle, left+4, left+4, left+thumbWidth-3, left+thumbWidth-3)
		}})
	}
	return es
}

// Span is the range of an axis on which all marks of all the panels fit; zero when there is no mark above zero.
func Span(panels ...Ranges) (low, high float64) {
	low = math.Inf(1)
	for _, p := range panels {
		for _, row := range p.Rows {
			for _, m := range row.Marks {
				for _, v := range []float64{m.P50, m.P99, m.Max} {
					if v > 0 {
						low, high = min(low, v), max(high, v)
					}
				}
			}
		}
	}
	if high == 0 {
		return 0, 0
	}
	return low, high
}

func (r Ranges) axes(p *plot.Plot) {
	low, high := r.Min, r.Max
	if high <= 0 {
		low, high = Span(r)
	}
	switch {
	case high <= 0:
		p.X.Min, p.X.Max = 0, 1
		p.X.Tick.Marker = even{about: 5, unit: 1, spell: units.Seconds}
	case high/low >= 10: // spans decades
		p.X.Min, p.X.Max = low/2, high*1.25 // room for the first tick's label
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = decades{units.Seconds}
	default:
		ticks := even{about: 5, unit: 1, spell: units.Seconds}
		p.X.Min, p.X.Max = 0, ticks.top(high)
		p.X.Tick.Marker = ticks
	}
	p.Y.Min, p.Y.Max = 0, 1
	p.HideY()
}

// Plot draws the rows from the top down; it implements plot.Plotter.
func (r Ranges) Plot(c draw.Canvas, p *plot.Plot) {
	rules(c, p, false)
	trX, _ := p.Transforms(&c)
	// On a logarithmic axis there is no zero: what took no measurable time stands at the left edge.
	x := func(v float64) vg.Length { return trX(min(max(v, p.X.Min), p.X.Max)) }
	label := face(textSize, true, ink)
	y := c.Max.Y
	for _, row := range r.Rows {
		y -= labelHeight
		c.FillText(label, vg.Point{X: c.Min.X + 2, Y: y + 4}, fit(label, row.Label, c.Size().X))
		for _, m := range row.Marks {
			y -= markHeight
			drawMark(c, m.Series, y+markHeight/2, x(m.P50), x(m.P90), x(m.P99), x(m.Max))
		}
		y -= rowGap
	}
}

// drawMark draws a thin whisker to the maximum, a bar from the median to the 99th percentile, a notch at the
// 90th and the series' glyph at both ends, hollow at the median.
func drawMark(c draw.Canvas, series int, y, p50, p90, p99, most vg.Length) {
	r := seriesRole(series)
	thin := draw.LineStyle{Color: r.rgb, Width: 0.9}
	if most > p99 {
		c.StrokeLine2(thin, p99, y, most, y)
		c.StrokeLine2(thin, most, y-3, most, y+3)
	}
	c.StrokeLine2(draw.LineStyle{Color: r.with(0.45), Width: 4.5}, p50, y, p99, y)
	if p90 > p50 && p90 < p99 {
		c.StrokeLine2(draw.LineStyle{Color: r.rgb, Width: 1.5}, p90, y-3.5, p90, y+3.5)
	}
	c.DrawGlyphNoClip(seriesGlyph(series, 3.6), vg.Point{X: p99, Y: y})
	c.DrawGlyphNoClip(seriesGlyph(series, 3.6), vg.Point{X: p50, Y: y})
	hollow := draw.GlyphStyle{Color: paper.rgb, Radius: 1.7, Shape: draw.CircleGlyph{}}
	c.DrawGlyphNoClip(hollow, vg.Point{X: p50, Y: y})
}
