// Package reports turns a result into what people and machines read: HTML, charts, Markdown, JUnit, Go benchmark
// lines and a terminal table. Every report is a pure function of result.json, so that a result directory can have
// all of its reports made again, also by a newer version.
//
// Dependencies: gonum.org/v1/plot draws the charts (see package chart). The rest is the standard library:
// html/template because it escapes by context, encoding/xml for JUnit. The tests read the benchmark lines with
// golang.org/x/perf, whose format they are in, and look at the page with github.com/chromedp/chromedp, which
// drives a real browser without a driver binary between them.
package reports
