package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

func epochConfig(t *testing.T) Config {
	t.Helper()
	c := Config{Dir: t.TempDir(), HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0", Open: true}
	if err := c.defaults(); err != nil {
		t.Fatal(err)
	}
	return c
}

// signedHub leaves the folder of a stopped hub with an entry and a checkpoint.
func signedHub(t *testing.T, c Config) {
	t.Helper()
	b, err := openBase(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.citeEpoch(t.Context(), 1, []byte("an entry like any other"), c.Now()); err != nil {
		t.Fatal(err)
	}
	closeBase(t, b)
}

func closeBase(t *testing.T, b *base) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestNewEpochNeedsOneToLeave(t *testing.T) {
	c := epochConfig(t)
	if _, _, err := NewEpoch(t.Context(), c); err == nil {
		t.Error("an empty folder got an epoch")
	}
	b, err := openBase(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	closeBase(t, b)
	if _, _, err := NewEpoch(t.Context(), c); !errors.Is(err, ErrNothingSigned) {
		t.Errorf("a log without an entry: %v", err)
	}
}

// Whatever NewEpoch was interrupted at, the hub does not start before it was
// called again, and that completes the one epoch that was begun.
// No redaction yet is a number too: the index was built anew for something else.
func TestNumberFiles(t *testing.T) {
	for _, tc := range []struct{ text, least, want string }{
		{"0\n", "0", "0"}, {"0\n", "1", "no"}, {"7\n", "1", "7"}, {"-1\n", "0", "no"}, {"x", "0", "no"}, {"", "0", "no"},
	} {
		path := filepath.Join(t.TempDir(), "n")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := readNumber(path, 0, int(tc.least[0]-'0'))
		if got := fmt.Sprint(n); err == nil && got != tc.want || (err != nil) != (tc.want == "no") {
			t.Errorf("%q from %s on: %s, %v", tc.text, tc.least, got, err)
		}
	}
}

func TestNewEpochAfterInterruption(t *testing.T) {
	for name, interrupted := range map[string]func(*testing.T, Config){
		"noted": func(t *testing.T, c Config) {
			if _, err := beginEpoch(c.Dir, true); err != nil {
				t.Fatal(err)
			}
		},
		"key moved": func(t *testing.T, c Config) {
			if _, err := beginEpoch(c.Dir, true); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(c.Dir, "log.key"), filepath.Join(c.Dir, "log.key.1")); err != nil {
				t.Fatal(err)
			}
		},
		"checkpoint archived": func(t *testing.T, c Config) {
			if _, _, err := leaveEpoch(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		},
		"signed anew, not cited": func(t *testing.T, c Config) {
			if _, _, err := leaveEpoch(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			b, err := openBase(t.Context(), c, "")
			if err != nil {
				t.Fatal(err)
			}
			closeBase(t, b)
		},
		"cited": func(t *testing.T, c Config) {
			if _, _, err := NewEpoch(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if err := writeNumber(filepath.Join(c.Dir, epochBegun), 2); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := epochConfig(t)
			signedHub(t, c)
			last, err := os.ReadFile(filepath.Join(c.Dir, "log", "checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			interrupted(t, c)
			if h, err := Start(t.Context(), c); err == nil {
				_ = h.Close(t.Context())
				t.Fatal("the hub starts on a half-begun epoch")
			}
			previous, origin, err := NewEpoch(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if string(previous) != string(last) || !strings.HasSuffix(origin, "/2") {
				t.Errorf("origin %s, cited\n%s, last signed\n%s", origin, previous, last)
			}
			b, err := openBase(t.Context(), c, "")
			if err != nil {
				t.Fatal(err)
			}
			defer closeBase(t, b)
			epochs := 0
			for rec, err := range b.log.Read(t.Context(), 1, b.log.Size()) {
				if err != nil {
					t.Fatal(err)
				}
				if rec.Leaf.Kind == vocab.KindEpoch && strings.Contains(string(rec.Document), strings.SplitN(string(last), "\n", 2)[0]) {
					epochs++
				}
			}
			if epochs != 1 || b.log.Size() != 2 {
				t.Errorf("%d citations in %d entries", epochs, b.log.Size())
			}
		})
	}
}
