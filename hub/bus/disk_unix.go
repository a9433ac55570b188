//go:build linux || darwin || freebsd

package bus

import "syscall"

// freeSpace is how many bytes the hub may still write on dir's file system.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(max(s.Bavail, 0)) * uint64(s.Bsize), nil
}
