package message

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"

	"taskbench/brokers"
)

// MaxBody bounds an unpacked body, in bytes, so that a small hostile message cannot fill the memory. It is what
// RabbitMQ 3 takes as one message unless told otherwise; RabbitMQ 4 takes less.
const MaxBody = 128 << 20

// zlibName is how kombu calls its "gzip", which is zlib (RFC 1950) and not gzip.
const zlibName = "application/x-gzip"

// unpack returns the body as it was before compression.
func unpack(m brokers.Message) ([]byte, error) {
	v := m.Headers["compression"]
	if v == nil {
		return m.Body, nil
	}
	if v != zlibName && v != "gzip" && v != "zlib" {
		return nil, fmt.Errorf("unknown codec %v: only %s is known", v, zlibName)
	}
	r, err := zlib.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	if len(text) > MaxBody {
		return nil, fmt.Errorf("unpack the body: it is larger than %d bytes", MaxBody)
	}
	return text, nil
}

func pack(text []byte) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	_, _ = w.Write(text) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}
