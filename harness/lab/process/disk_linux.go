package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount gives a directory a disk of its own, of so many bytes.
func mount(dir string, size int64) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size)); err != nil {
		return fmt.Errorf("mount a disk of %d bytes for the server's data: %w; be root, or leave out the faults that fill it", size, err)
	}
	return nil
}

// ballast is what fills a disk.
func ballast(dir string) string { return filepath.Join(dir, "taskbench.ballast") }

// fill takes all room that is left on the disk, to the last byte.
func fill(dir string) error {
	f, err := os.OpenFile(ballast(dir), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for piece := 1 << 20; piece > 0 && err == nil; {
		if _, err = f.Write(make([]byte, piece)); errors.Is(err, unix.ENOSPC) {
			piece, err = piece/2, nil
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("fill the disk: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// free gives back what fill took.
func free(dir string) error {
	if err := os.Remove(ballast(dir)); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}
