package servertest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk mounts a file system of the given size, such as "4m", until the test ends. Not everybody may: for others the test is
// skipped, unless a lab was asked for, where everything has to be there.
func Disk(t testing.TB, at, size string) {
	t.Helper()
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, "size="+size); err != nil {
		const advice = "run it as root, or as `unshare --map-root-user --mount go test`"
		if lab := os.Getenv("BENCH_LAB"); lab != "" && lab != "auto" {
			t.Fatalf("mount a small file system: %v; %s", err, advice)
		}
		t.Skipf("not allowed to mount a small file system (%v): %s", err, advice)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small file system: %v", err)
		}
	})
}

// Fill takes all the room that a file system has, until empty is called.
func Fill(t testing.TB, at string) (empty func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(at, "ballast"))
	if err != nil {
		t.Error(err)
		return func() {}
	}
	defer func() { _ = f.Close() }() // it was written, as far as that was possible
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Error(err)
			break
		}
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	}
}
