package bus

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/nats-io/nkeys"
)

// CalloutKeys are what a hub answers an external server's auth callout with: an
// account nkey that signs the answers and a curve key that opens the questions.
// They are made for this alone and are nobody's identity.
type CalloutKeys struct {
	account, curve nkeys.KeyPair
	issuer, xkey   string
}

// OpenCalloutKeys reads the keys from a file of two lines, their seeds, and
// makes the file, mode 0600, where there is none. A file that others may read is
// refused.
func OpenCalloutKeys(path string) (*CalloutKeys, error) {
	raw, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = makeCalloutKeys(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the keys for the NATS server's auth callout: %w", err)
	}
	k, err := parseCalloutKeys(raw)
	if err != nil {
		// Never the library's words: they could quote a seed.
		return nil, fmt.Errorf("%s does not hold the keys for the NATS server's auth callout: move it away, and a new one is made", path)
	}
	return k, nil
}

// Issuer and XKey are the public keys, as the server's configuration names them
// (deploy/nats/lianmu.conf).
func (k *CalloutKeys) Issuer() string { return k.issuer }

// XKey is the public key that questions are sealed for.
func (k *CalloutKeys) XKey() string { return k.xkey }

// probe is the token of the connection by which a hub finds out whether its
// answers count; it gives no right (see entrant).
func (k *CalloutKeys) probe() (string, error) {
	seed, err := k.curve.Seed()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte("lianmu callout probe"))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

func parseCalloutKeys(raw []byte) (*CalloutKeys, error) {
	lines := strings.Fields(string(raw))
	if len(lines) != 2 {
		return nil, errors.New("not two lines")
	}
	var k CalloutKeys
	var errs [4]error
	k.account, errs[0] = nkeys.FromSeed([]byte(lines[0]))
	k.curve, errs[1] = nkeys.FromCurveSeed([]byte(lines[1]))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	k.issuer, errs[2] = k.account.PublicKey()
	k.xkey, errs[3] = k.curve.PublicKey()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if !nkeys.IsValidPublicAccountKey(k.issuer) || !nkeys.IsValidPublicCurveKey(k.xkey) {
		return nil, errors.New("keys of other kinds")
	}
	return &k, nil
}

func makeCalloutKeys(path string) ([]byte, error) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		return nil, err
	}
	curve, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, err
	}
	a, err := account.Seed()
	if err != nil {
		return nil, err
	}
	c, err := curve.Seed()
	if err != nil {
		return nil, err
	}
	raw := bytes.Join([][]byte{a, c, nil}, []byte("\n"))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path) // half a file is of no use, and would stand in the way
		return nil, err
	}
	return raw, nil
}

// readSecret reads a small file that nobody else may read.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("others can read %s (mode %o): run chmod 600, or move the file away so that new keys are made", path, mode)
	}
	return io.ReadAll(io.LimitReader(f, 4<<10))
}
