package message

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"taskbench/brokers"
)

// MaxBody bounds an unpacked body, in bytes, so that a small hostile message cannot fill the memory. It is what
// RabbitMQ 3 takes as one message unless told otherwise; RabbitMQ 4 takes less.
const MaxBody = 128 << 20

// The codecs by kombu's names. What it calls gzip is zlib (RFC 1950); a real gzip stream is read as well.
const (
	zlibName = "application/x-gzip"
	zstdName = "application/zstd"
)

// unpack returns the body as it was before compression.
func unpack(m brokers.Message) ([]byte, error) {
	v := m.Headers["compression"]
	if v == nil {
		return m.Body, nil
	}
	r, err := unpacker(v, m.Body)
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	if len(text) > MaxBody {
		return nil, fmt.Errorf("unpack the body: it is larger than %d bytes", MaxBody)
	}
	return text, nil
}

func unpacker(codec any, body []byte) (io.ReadCloser, error) {
	switch codec {
	case zlibName, "gzip", "zlib":
		if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
			return gzip.NewReader(bytes.NewReader(body))
		}
		return zlib.NewReader(bytes.NewReader(body))
	case zstdName, "zstd":
		d, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(MaxBody))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("unknown codec %v: %s and %s are known", codec, zlibName, zstdName)
}

func pack(text []byte) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	_, _ = w.Write(text) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}
