package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Panel is one drawing: a title, a legend and a body. Its width is fixed and its height follows from its body.
type Panel struct {
	Title string
	Unit  string // of the vertical axis, or what the marks mean; set beside the title
	Alt   string // what someone who cannot see the drawing is told
	Body  Body
}

// A Body is what a panel shows: Lines, Ranges or Bars.
type Body interface {
	height() vg.Length
	legend() []entry
	axes(p *plot.Plot)
	plot.Plotter
}

// An entry is one line of a legend. The thumb is drawn into a box of thumbWidth around the point.
type entry struct {
	name  string
	thumb func(c draw.Canvas, left, middle vg.Length)
}

// Sizes in points. An SVG is scaled to the width that the page gives it, so that these are near to CSS pixels.
const (
	width       vg.Length = 420
	pad         vg.Length = 6
	titleSize   vg.Length = 13
	textSize    vg.Length = 11
	titleHeight vg.Length = 22
	entryHeight vg.Length = 17
	thumbWidth  vg.Length = 22
	entryGap    vg.Length = 14
)

// placed is where a legend's entry stands.
type placed struct {
	entry
	row  int
	left vg.Length
}

// layout flows the legend's entries into rows.
func (p Panel) layout() (entries []placed, rows int) {
	sty := face(textSize, false, ink)
	room := width - 2*pad
	var x vg.Length
	for _, e := range p.Body.legend() {
		e.name = fit(sty, e.name, room-thumbWidth-4)
		w := thumbWidth + 4 + sty.Width(e.name)
		if x > 0 && x+w > room {
			x = 0
			rows++
		}
		entries = append(entries, placed{e, rows, x})
		x += w + entryGap
	}
	if len(entries) > 0 {
		rows++
	}
	return entries, rows
}

func (p Panel) height() vg.Length {
	_, rows := p.layout()
	return 2*pad + titleHeight + vg.Length(rows)*entryHeight + 6 + p.Body.height()
}

func (p Panel) draw(c draw.Canvas) {
	c = draw.Crop(c, pad, -pad, pad, -pad)
	title, unit := face(titleSize, true, ink), face(textSize, false, muted)
	baseline := c.Max.Y - titleSize
	name := fit(title, p.Title, c.Size().X*0.72)
	c.FillText(title, vg.Point{X: c.Min.X, Y: baseline}, name)
	left := c.Min.X + title.Width(name) + 8
	c.FillText(unit, vg.Point{X: left, Y: baseline}, fit(unit, p.Unit, c.Max.X-left))

	entries, rows := p.layout()
	label := face(textSize, false, ink)
	for _, e := range entries {
		middle := c.Max.Y - titleHeight - entryHeight*(vg.Length(e.row)+0.5)
		x := c.Min.X + e.left
		e.thumb(c, x, middle)
		c.FillText(label, vg.Point{X: x + thumbWidth + 4, Y: middle - textSize*0.36}, e.name)
	}

	pl := plot.New()
	pl.BackgroundColor = nil
	plain(&pl.X)
	plain(&pl.Y)
	p.Body.axes(pl)
	pl.Add(p.Body)
	body := c
	body.Max.Y -= titleHeight + vg.Length(rows)*entryHeight + 6
	pl.Draw(body)
}

// plain strips an axis to quiet labels.
func plain(a *plot.Axis) {
	a.LineStyle = draw.LineStyle{Color: muted.rgb, Width: 0.8}
	a.Tick.LineStyle = a.LineStyle
	a.Tick.Length = 3
	a.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize}
	a.Tick.Label.Color = muted.rgb
	a.Tick.Label.Handler = handler
	a.Label.TextStyle.Handler = handler
	a.Padding = 0
}

// bare hides an axis' line and tick marks and keeps its labels.
func bare(a *plot.Axis) {
	a.LineStyle.Width = 0
	a.Tick.LineStyle.Width = 0
	a.Tick.Length = 5
}

// rules draws the light lines across the body at the vertical axis' labelled ticks.
func rules(c draw.Canvas, p *plot.Plot, horizontal bool) {
	sty := draw.LineStyle{Color: grid.rgb, Width: 0.8}
	trX, trY := p.Transforms(&c)
	axis := p.X
	if horizontal {
		axis = p.Y
	}
	for _, t := range axis.Tick.Marker.Ticks(axis.Min, axis.Max) {
		if t.IsMinor() || t.Value < axis.Min || t.Value > axis.Max {
			continue
		}
		if horizontal {
			c.StrokeLine2(sty, c.Min.X, trY(t.Value), c.Max.X, trY(t.Value))
		} else {
			c.StrokeLine2(sty, trX(t.Value), c.Min.Y, trX(t.Value), c.Max.Y)
		}
	}
}
