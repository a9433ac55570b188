// Package vocabtest finds what tests share: real catalogue metadata and
// published test vectors, in a folder "shared" beside the module. They are not
// part of the repository; where they are absent a test skips.
//
// It is for tests only.
package vocabtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the path of a file or folder below ../shared, or skips the
// test where it is absent.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
	name := filepath.Join(elem...)
	path := filepath.Join(dir, "..", "shared", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not beside the module; it is not part of the repository", filepath.Join("shared", name))
	}
	return path
}
