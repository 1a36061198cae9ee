package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// Empty removes everything in a directory, and not the directory itself.
func Empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("empty the data directory: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("empty the data directory: %w", err)
		}
	}
	return nil
}
