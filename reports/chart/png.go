package chart

import (
	"fmt"
	"io"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// dpi gives two pixels a point.
const dpi = 144

// PNG draws the panels in two columns, under one heading, on white, at twice the size in pixels.
func PNG(w io.Writer, heading string, panels []Panel) error {
	const margin, gap, head vg.Length = 14, 16, 34
	columns := min(2, len(panels))
	if columns == 0 {
		return fmt.Errorf("chart %q has no panels", heading)
	}
	var rows []vg.Length // heights
	for i, p := range panels {
		if i%columns == 0 {
			rows = append(rows, 0)
		}
		rows[len(rows)-1] = max(rows[len(rows)-1], p.height())
	}
	total := 2*margin + head
	for _, h := range rows {
		total += h
	}
	total += gap * vg.Length(len(rows)-1)
	wide := 2*margin + width*vg.Length(columns) + gap*vg.Length(columns-1)

	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(wide, total), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(paper.rgb))}
	c := draw.New(canvas)
	title := face(17, true, ink)
	c.FillText(title, vg.Point{X: margin + pad, Y: total - margin - 17}, fit(title, heading, wide-2*margin))
	top := total - margin - head
	for i, p := range panels {
		row, column := i/columns, i%columns
		left := margin + vg.Length(column)*(width+gap)
		area := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - p.height()}, Max: vg.Point{X: left + width, Y: top},
		}}
		if err := guard(p, func() { p.draw(area) }); err != nil {
			return err
		}
		if column == columns-1 {
			top -= rows[row] + gap
		}
	}
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("write the chart %q as PNG: %w", heading, err)
	}
	return nil
}
