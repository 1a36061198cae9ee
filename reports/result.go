package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"taskbench/harness"
)

// ResultFile is the name of the result inside its directory; everything else there is made from it.
const ResultFile = "result.json"

var outcomes = []harness.Outcome{harness.Pass, harness.Fail, harness.Undecided, harness.Void, harness.Unfit}

// Read reads and validates the result in a directory. It is strict: an unknown field, trailing data or another
// schema is an error that says what to do, because a report over half-understood numbers would be believed.
func Read(dir string) (harness.Result, error) {
	path := filepath.Join(dir, ResultFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return harness.Result{}, fmt.Errorf("read the result in %s: %w; name the directory of a run", dir, err)
	}
	r, err := Decode(data)
	if err != nil {
		return harness.Result{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Decode is Read for what is already in memory.
func Decode(data []byte) (harness.Result, error) {
	// The number comes first: a file of another schema has fields that a strict reader would only complain about.
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&head); err != nil {
		return harness.Result{}, fmt.Errorf("not a result: %w", err)
	}
	switch {
	case head.Schema == 0:
		return harness.Result{}, errors.New("not a result: it has no schema number")
	case head.Schema > harness.Schema:
		return harness.Result{}, fmt.Errorf("schema %d is newer than schema %d, which this taskbench reads: use the taskbench that wrote it", head.Schema, harness.Schema)
	case head.Schema < harness.Schema:
		return harness.Result{}, fmt.Errorf("schema %d is no longer read, only schema %d: use the taskbench that wrote it", head.Schema, harness.Schema)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var r harness.Result
	if err := dec.Decode(&r); err != nil {
		return harness.Result{}, fmt.Errorf("not a result of this version of taskbench: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return harness.Result{}, errors.New("there is more behind the result")
	}
	if err := Validate(r); err != nil {
		return harness.Result{}, err
	}
	return r, nil
}

// Validate says everything that is wrong with a result, at once, or nil.
func Validate(r harness.Result) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.Schema != harness.Schema {
		wrong("schema is %d, must be %d", r.Schema, harness.Schema)
	}
	if r.Name == "" {
		wrong("name is empty")
	}
	if !slices.Contains(outcomes, r.Outcome) {
		wrong("outcome %q is none of %v", r.Outcome, outcomes)
	}
	for i, c := range r.Cells {
		at := fmt.Sprintf("cells[%d] (%s:%s)", i, c.Broker, c.Variant)
		if c.Broker == "" {
			wrong("%s: broker is empty", at)
		}
		if !slices.Contains(outcomes, c.Outcome) {
			wrong("%s: outcome %q is none of %v", at, c.Outcome, outcomes)
		}
		if c.Repeat < 1 {
			wrong("%s: repeat is %d, repeats count from 1", at, c.Repeat)
		}
		n := c.Counts
		for name, v := range map[string]int{"attempted": n.Attempted, "acknowledged": n.Acknowledged, "executed": n.Executed, "lost": n.Lost, "duplicated": n.Duplicated} {
			if v < 0 {
				wrong("%s: counts.%s is %d", at, name, v)
			}
		}
		if n.Lost > n.Acknowledged {
			wrong("%s: %d tasks lost of %d acknowledged", at, n.Lost, n.Acknowledged)
		}
		if n.Acknowledged > n.Attempted {
			wrong("%s: %d tasks acknowledged of %d attempted", at, n.Acknowledged, n.Attempted)
		}
		for _, p := range c.Phases {
			if p.To < p.From {
				wrong("%s: phase %s ends before it begins", at, p.Phase)
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return bytes.Compare([]byte(a.Error()), []byte(b.Error())) })
	return errors.Join(errs...)
}

func encode(r harness.Result) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return buf.Bytes(), nil
}
