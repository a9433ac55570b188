//go:build !linux && !darwin && !freebsd

package bus

import (
	"math"
	"os"
)

// freeSpace is not known here: a full disk shows by the first failed write.
func freeSpace(string) (uint64, error) { return math.MaxUint64, nil }

// lock only makes the folder: there is no lock here that ends with the process.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.Open(dir)
}
