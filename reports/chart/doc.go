// Package chart draws the charts of a report: lines over time, percentile ranges and bars, each as an inline SVG
// that takes its colours from the page around it, and as a PNG on white.
//
// It uses gonum.org/v1/plot because that is the one maintained plotting library in pure Go which draws the same
// picture to both formats from one description.
package chart
