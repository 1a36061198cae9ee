package servertest

import (
	"os"
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
