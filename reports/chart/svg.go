package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	hexColor   = regexp.MustCompile(`#[0-9A-Fa-f]{6}\b`)
	fontFamily = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;`)
	textTag    = regexp.MustCompile(`(?s)<text [^>]*font-weight:(\w+);[^>]*font-size:([0-9.]+)px[^>]*>([^<]*)</text>`)
	openTag    = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
)

// SVG draws the panel for the inside of an HTML page. Its background is transparent; each of its colours is a
// CSS variable (--chart-ink, --chart-muted, --chart-grid, --chart-paper, --chart-fault, --chart-s1 to s6) with
// the colour for white paper as the fallback.
func SVG(p Panel) (string, error) {
	canvas := vgsvg.New(width, p.height())
	if err := guard(p, func() { p.draw(draw.New(canvas)) }); err != nil {
		return "", err
	}
	var buf bytes.Buffer
	if _, err := canvas.WriteTo(&buf); err != nil {
		return "", fmt.Errorf("write the chart %q as SVG: %w", p.Title, err)
	}
	open := fmt.Sprintf(`<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`,
		width.Points(), p.height().Points(), html.EscapeString(p.Alt))
	s := openTag.ReplaceAllLiteralString(buf.String(), open)
	s = textTag.ReplaceAllStringFunc(s, measure)
	s = fontFamily.ReplaceAllLiteralString(s, "")
	s = hexColor.ReplaceAllStringFunc(s, variable)
	return strings.ReplaceAll(s, "\n", ""), nil
}

// measure writes into a text how wide the layout took it to be, so that a page in another font has nothing overlap.
func measure(tag string) string {
	m := textTag.FindStringSubmatch(tag)
	size, err := strconv.ParseFloat(m[2], 64)
	if err != nil || m[3] == "" {
		return tag
	}
	wide := face(vg.Length(size), m[1] == "bold", ink).Width(html.UnescapeString(m[3]))
	return fmt.Sprintf(`<text textLength="%.4g" lengthAdjust="spacingAndGlyphs"`, wide.Points()) + strings.TrimPrefix(tag, "<text")
}

// variable names the CSS variable for a colour. The SVG writer may be off by one a channel, hence the search.
func variable(hex string) string {
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return hex
	}
	got := rgb(uint32(n))
	best, distance := roles()[0], math.Inf(1)
	for _, r := range roles() {
		dr, dg, db := float64(got.R)-float64(r.rgb.R), float64(got.G)-float64(r.rgb.G), float64(got.B)-float64(r.rgb.B)
		if d := dr*dr + dg*dg + db*db; d < distance {
			best, distance = r, d
		}
	}
	return fmt.Sprintf("var(--chart-%s,#%02x%02x%02x)", best.name, best.rgb.R, best.rgb.G, best.rgb.B)
}

// guard turns a panic of the drawing library, which panics on ranges that it cannot draw, into an error.
func guard(p Panel, draw func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("draw the chart %q: %v", p.Title, r)
		}
	}()
	draw()
	return nil
}
