package ledger

import "os"

// reserveByWriting makes room by zeros. The range must not have been written before.
func reserveByWriting(f *os.File, at, size int64) error {
	_, err := f.WriteAt(make([]byte, size), at)
	return err
}
