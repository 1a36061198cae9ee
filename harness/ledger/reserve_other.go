//go:build !linux

package ledger

import "os"

func reserve(f *os.File, at, size int64) error { return reserveByWriting(f, at, size) }
