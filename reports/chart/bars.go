package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"taskbench/reports/units"
)

// Bars compare counts: one row for each subject, one bar for each kind of count, its number written beside it.
type Bars struct {
	Names []string // of the kinds; the first is the worst one
	Rows  []BarRow
	Max   float64 // of the axis; 0: what the bars need
}

// A BarRow is one subject with a count for each of the kinds.
type BarRow struct {
	Label  string
	Values []int
}

const barHeight vg.Length = 14

func (b Bars) height() vg.Length {
	h := vg.Length(4)
	for _, r := range b.Rows {
		h += labelHeight + barHeight*vg.Length(len(r.Values)) + rowGap
	}
	return h
}

func (b Bars) color(kind int) role {
	if kind == 0 {
		return fault
	}
	return seriesRole(kind - 1)
}

func (b Bars) legend() []entry {
	var es []entry
	for i, name := range b.Names {
		es = append(es, entry{name, func(c draw.Canvas, left, middle vg.Length) {
			b.bar(c, i, left, left+thumbWidth, middle)
		}})
	}
	return es
}

func (b Bars) axes(p *plot.Plot) {
	p.X.Min, p.X.Max = 0, max(1, b.Max)
	for _, r := range b.Rows {
		for _, v := range r.Values {
			p.X.Max = max(p.X.Max, float64(v))
		}
	}
	p.Y.Min, p.Y.Max = 0, 1
	p.HideAxes()
}

// Plot draws the rows from the top down; it implements plot.Plotter.
func (b Bars) Plot(c draw.Canvas, p *plot.Plot) {
	label, number := face(textSize, true, ink), face(textSize, false, ink)
	room := c.Size().X - 90 // for the longest number and the kind's name
	y := c.Max.Y
	for _, r := range b.Rows {
		y -= labelHeight
		c.FillText(label, vg.Point{X: c.Min.X, Y: y + 4}, fit(label, r.Label, c.Size().X))
		for kind, v := range r.Values {
			y -= barHeight
			end := c.Min.X + room*vg.Length(float64(v)/p.X.Max)
			if v > 0 {
				end = max(end, c.Min.X+2)
				b.bar(c, kind, c.Min.X, end, y+barHeight/2)
			} else {
				c.StrokeLine2(draw.LineStyle{Color: muted.rgb, Width: 1}, c.Min.X+0.5, y+2, c.Min.X+0.5, y+barHeight-2)
			}
			c.FillText(number, vg.Point{X: end + 5, Y: y + 3.2}, units.Count(v)+" "+b.Names[kind])
		}
		y -= rowGap
	}
}

// bar fills the first kind and outlines the others, so that they differ without colour.
func (b Bars) bar(c draw.Canvas, kind int, left, right, middle vg.Length) {
	box := []vg.Point{{X: left, Y: middle - 4.5}, {X: right, Y: middle - 4.5}, {X: right, Y: middle + 4.5}, {X: left, Y: middle + 4.5}}
	col := b.color(kind)
	if kind == 0 {
		c.FillPolygon(col.rgb, box)
		return
	}
	c.FillPolygon(col.with(0.25), box)
	c.StrokeLines(draw.LineStyle{Color: col.rgb, Width: 1}, append(box, box[0]))
}
