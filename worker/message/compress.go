package message

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"sync"

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

// A Compression is how a body is packed, by kombu's short name.
type Compression string

// What bodies can be packed with. Every Celery reads Gzip; Zstd is known to workers that have the module for it.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// ParseCompression takes a codec by its short name or as the header spells it; "" is none.
func ParseCompression(name string) (Compression, error) {
	switch name {
	case "":
		return "", nil
	case "gzip", "zlib", zlibName:
		return Gzip, nil
	case "zstd", "zstandard", zstdName:
		return Zstd, nil
	}
	return "", fmt.Errorf("unknown compression %q: gzip and zstd are known", name)
}

// apply packs a message's body and says so in its header. Any value but a codec's name leaves both alone.
func (c Compression) apply(m *brokers.Message) {
	switch c {
	case Gzip:
		m.Headers["compression"], m.Body = zlibName, pack(m.Body)
	case Zstd:
		m.Headers["compression"], m.Body = zstdName, zstdWriter().EncodeAll(m.Body, nil)
	}
}

// zstdWriter is shared: an encoder has much memory, and EncodeAll may be called by many at once.
var zstdWriter = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are right
	}
	return w
})

func pack(text []byte) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	_, _ = w.Write(text) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}
