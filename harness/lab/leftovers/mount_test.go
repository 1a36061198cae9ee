package leftovers

import (
	"path/filepath"
	"testing"
)

// A directory that is not there, and one that was given no disk, need no unmounting.
func TestUnmountOfNothing(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "gone"), filepath.Join(dir, "gone", "too")} {
		if err := Unmount(path); err != nil {
			t.Error(err)
		}
	}
}
