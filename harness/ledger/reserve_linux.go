package ledger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve allocates disk space at the end of f. File systems that cannot are written to instead.
func reserve(f *os.File, at, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, at, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR): // the runtime's own preemption signals do that
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return reserveByWriting(f, at, size)
		default:
			return err
		}
	}
}

// punch gives the disk back a part of f that nobody reads any more; its length stays.
func punch(f *os.File, at, size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, size)
}
