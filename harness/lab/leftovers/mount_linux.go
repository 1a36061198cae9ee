package leftovers

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Unmount takes away the disk that a directory was given, if any: until then the directory cannot be removed.
func Unmount(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil // it was none, or nobody here can have mounted one
}
