package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"taskbench/brokers"
)

var captures = []string{"plain-52", "options-56", "compress-gzip-56", "protocol1-56", "bytes-56", "unicode-56", "link-56", "chain-56", "stamped-56"}

// FuzzRead: whatever comes, Read and Body answer with a task or an *Error, and what can be read can be retried.
func FuzzRead(f *testing.F) {
	for _, name := range captures {
		for _, m := range captured(f, name) {
			headers, err := json.Marshal(m.Headers)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(headers, m.Body, m.ContentType)
		}
	}
	f.Fuzz(func(t *testing.T, headers, body []byte, contentType string) {
		var h map[string]any
		if json.Unmarshal(headers, &h) != nil {
			h = nil
		}
		task, err := Read(brokers.Message{Headers: h, Body: body, ContentType: contentType})
		var parts Body
		if err == nil {
			parts, err = task.Body()
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Reason == "" {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if task.Name == "" || task.ID == "" {
			t.Fatalf("task without a name or an id: %+v", task)
		}
		again, err := Read(task.Retry(time.Unix(1, 0)))
		if err != nil {
			t.Fatalf("its retry cannot be read: %v", err)
		}
		parts2, err := again.Body()
		if err != nil {
			t.Fatalf("its retry's body cannot be read: %v", err)
		}
		if again.Retries != task.Retries+1 || len(parts.Args) != len(parts2.Args) || len(parts.Kwargs) != len(parts2.Kwargs) {
			t.Fatalf("its retry is another: %+v", again)
		}
	})
}

// FuzzScan: the scanner takes all JSON that encoding/json takes, and beyond it only what Python writes.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`{"a": [1, -2.5e+3, "x\u00e9\n"], "b": null}`, `[NaN, -Infinity]`, `[[`, `01`, `"\u12"`, ` true `, `{"a":}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		end, err := skip(raw, space(raw, 0), 0)
		if err == nil {
			err = atEnd(raw, end)
		}
		valid := json.Valid(raw)
		if valid && err != nil && !errors.Is(err, errDeep) {
			t.Fatalf("JSON was refused: %v", err)
		}
		if !valid && err == nil && !bytes.Contains(raw, []byte("NaN")) && !bytes.Contains(raw, []byte("Infinity")) {
			t.Fatal("what is not JSON was taken")
		}
		if _, bad := Decode(raw); bad == nil && err != nil {
			t.Fatal("decoded, and yet refused by the scanner")
		}
	})
}
