package chart

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A role is a colour by what it means. In an SVG it becomes a CSS variable with this colour as the fallback, so
// that a page can give it another shade on a dark background.
type role struct {
	name string
	rgb  color.NRGBA
}

// The roles. Series colours keep 3:1 against white and differ in lightness for readers who see few hues; the
// dash and the glyph of a series tell it apart without any colour.
var (
	ink   = role{"ink", rgb(0x1b2430)}
	muted = role{"muted", rgb(0x5b6672)}
	grid  = role{"grid", rgb(0xe3e7ec)}
	paper = role{"paper", rgb(0xffffff)}
	fault = role{"fault", rgb(0xb3261e)}

	series = []role{
		{"s1", rgb(0x0067a8)}, // blue
		{"s2", rgb(0xcf5300)}, // vermilion
		{"s3", rgb(0x00806a)}, // green
		{"s4", rgb(0x9a4a94)}, // purple
		{"s5", rgb(0x8f6a00)}, // ochre
		{"s6", rgb(0x46505c)}, // slate
	}
)

// MaxSeries is how many series one panel can show and tell apart.
const MaxSeries = 6

func roles() []role { return append([]role{ink, muted, grid, paper, fault}, series...) }

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

func (r role) with(alpha float64) color.NRGBA {
	c := r.rgb
	c.A = uint8(alpha * 0xff)
	return c
}

func seriesRole(i int) role { return series[i%MaxSeries] }

var dashes = [MaxSeries][]vg.Length{nil, {7, 2.5}, {2.5, 2}, {9, 2.5, 2.5, 2.5}, {14, 3}, {4.5, 2}}

func seriesLine(i int) draw.LineStyle {
	return draw.LineStyle{Color: seriesRole(i).rgb, Width: 1.7, Dashes: dashes[i%MaxSeries]}
}

// glyphs are filled and of about the same size, so that none looks more important.
var glyphs = [MaxSeries]draw.GlyphDrawer{
	draw.CircleGlyph{},
	shape{{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}},
	shape{{-1.15, -0.95}, {1.15, -0.95}, {0, 1.15}},
	shape{{0, 1.3}, {1.3, 0}, {0, -1.3}, {-1.3, 0}},
	shape{{-1.15, 0.95}, {1.15, 0.95}, {0, -1.15}},
	shape{{-0.55, 1.1}, {0.55, 1.1}, {0.55, -1.1}, {-0.55, -1.1}},
}

func seriesGlyph(i int, radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: seriesRole(i).rgb, Radius: radius, Shape: glyphs[i%MaxSeries]}
}

// A shape is a filled polygon around a point, in multiples of the radius.
type shape [][2]vg.Length

// DrawGlyph implements draw.GlyphDrawer.
func (s shape) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	var corners []vg.Point
	for _, p := range s {
		corners = append(corners, vg.Point{X: at.X + p[0]*sty.Radius, Y: at.Y + p[1]*sty.Radius})
	}
	c.FillPolygon(sty.Color, corners)
}

var handler = text.Plain{Fonts: font.DefaultCache}

func face(size vg.Length, bold bool, r role) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: r.rgb, Font: f, Handler: handler}
}

// fit shortens a text to the width, with an ellipsis.
func fit(sty text.Style, s string, width vg.Length) string {
	if sty.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 1 && sty.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
