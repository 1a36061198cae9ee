package lab

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// tailMost bounds what Tail reads, however long the lines are.
const tailMost = 32 << 10

// Tail returns the last n lines of a node's log, for an error message. Where the log cannot be read it says so
// in brackets.
func Tail(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(max(0, size-tailMost), io.SeekStart)
	}
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 {
		return "(the log is empty)"
	}
	lines := bytes.Split(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
