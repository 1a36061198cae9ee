package leftovers

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Unmount takes away the disk that a directory was given, if any: until then the directory cannot be removed.
func Unmount(dir string) error {
	switch err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); {
	case err == nil, errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPERM):
		return nil // it was given none, is gone, or nobody here can have mounted one
	default:
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
}
