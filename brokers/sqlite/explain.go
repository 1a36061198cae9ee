package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// code returns SQLite's primary result code, or 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// busy tells whether another connection is in the way.
func busy(err error) bool { return code(err) == lib.SQLITE_BUSY }

// explain says what to do about the failures that people can do something about.
func explain(err error, file string) error {
	switch code(err) {
	case lib.SQLITE_BUSY:
		return fmt.Errorf("another process keeps %s locked; end it or its transaction: %w", file, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("no room for %s to grow; free space in %s: %w", file, filepath.Dir(file), err)
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return fmt.Errorf("%s cannot be written; check that %s exists and who may write there: %w", file, filepath.Dir(file), err)
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return fmt.Errorf("%s is not a sound SQLite database; move it away: %w", file, err)
	}
	if code(err) == lib.SQLITE_ERROR && (strings.Contains(err.Error(), "no such column") || strings.Contains(err.Error(), "has no column")) {
		return fmt.Errorf("a table in %s has another shape: it is somebody else's; name another file in the URL: %w", file, err)
	}
	return err
}
