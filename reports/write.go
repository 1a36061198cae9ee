package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"taskbench/harness"
	"taskbench/reports/chart"
)

// panelsAFile is how many panels one PNG holds; a chart with more of them has several files.
const panelsAFile = 12

// A file is one report: its name in the result directory and how it is made.
type file struct {
	name  string
	write func(io.Writer) error
}

// WriteAll writes every report of the result into the directory, which it makes where it is missing: result.json
// first, then what is made from it. It returns the paths that it wrote, also beside an error: one report that
// cannot be made does not cost the others, and when ctx ends the files that are there are whole. Each file appears
// under its name only when it is complete, so that a second call replaces the first one's files.
func WriteAll(ctx context.Context, dir string, r harness.Result) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the result directory: %w", err)
	}
	r = finite(r)
	var errs []error
	if err := Validate(r); err != nil {
		errs = append(errs, fmt.Errorf("the result is not valid, and its reports are written nevertheless: %w", err))
	}
	var done []string
	for _, f := range filesOf(r) {
		if err := ctx.Err(); err != nil {
			errs = append(errs, fmt.Errorf("reports were left out from %s on: %w", f.name, err))
			break
		}
		var buf bytes.Buffer
		if err := f.write(&buf); err != nil {
			errs = append(errs, fmt.Errorf("make %s: %w", f.name, err))
			continue
		}
		path := filepath.Join(dir, f.name)
		if err := replace(path, buf.Bytes()); err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, path)
	}
	return done, errors.Join(errs...)
}

// filesOf lists the reports, the cheapest and most needed first.
func filesOf(r harness.Result) []file {
	with := func(f func(io.Writer, harness.Result) error) func(io.Writer) error {
		return func(w io.Writer) error { return f(w, r) }
	}
	files := []file{
		{ResultFile, func(w io.Writer) error {
			data, err := encode(r)
			if err != nil {
				return err
			}
			_, err = w.Write(data)
			return err
		}},
		{"junit.xml", with(JUnit)},
		{"bench.txt", with(GoBench)},
		{"summary.md", with(Summary)},
		{"report.html", with(HTML)},
	}
	for _, d := range drawings(r) {
		for from := 0; from < len(d.Panels); from += panelsAFile {
			name, panels := d.File+".png", d.Panels[from:min(from+panelsAFile, len(d.Panels))]
			if from > 0 {
				name = fmt.Sprintf("%s-%d.png", d.File, from/panelsAFile+1)
			}
			files = append(files, file{name, func(w io.Writer) error { return chart.PNG(w, r.Name+": "+d.Heading, panels) }})
		}
	}
	return files
}

// replace writes a file beside its place and moves it there, so that nobody ever reads half of it.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name()) // gone already once it was moved
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w; the directory needs room and permission to write", path, err)
	}
	return nil
}
