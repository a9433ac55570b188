package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"lianmu/vocab"
)

// Key is an Ed25519 private key in memory or from a file. It is a Signer.
// However it is printed, only its DID shows.
type Key struct {
	did  string
	priv ed25519.PrivateKey
}

const (
	keyTypeEd25519 = "ed25519"
	pemPrivateKey  = "PRIVATE KEY"
	maxKeyFile     = 16 << 10
)

// NewKey makes a key of type "ed25519". Errors are vocab.Problems (key.type).
func NewKey(typ string) (*Key, error) {
	if err := checkType(typ); err != nil {
		return nil, err
	}
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return keyOf(priv)
}

// ImportKey makes a key from a hex seed: 64 digits, white space around them
// ignored. Errors are vocab.Problems (key.type, key.seed) and never repeat the
// seed.
func ImportKey(typ, seedHex string) (*Key, error) {
	if err := checkType(typ); err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(seedHex))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, vocab.Problems{vocab.NewProblem("", "key.seed",
			"种子应为 32 字节，即 64 个十六进制数字，不带 0x 前缀和空格。",
			"a seed is 32 bytes: 64 hexadecimal digits, without 0x or spaces")}
	}
	return keyOf(ed25519.NewKeyFromSeed(seed))
}

func checkType(typ string) error {
	if typ == keyTypeEd25519 {
		return nil
	}
	return vocab.Problems{vocab.NewProblem("", "key.type",
		"暂不支持 %q 类型的密钥，目前只有 ed25519。", "no keys of type %q yet: only ed25519 so far", typ)}
}

func keyOf(priv ed25519.PrivateKey) (*Key, error) {
	pub, ok := priv.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return &Key{did: didOf(pub), priv: priv}, nil
}

// ReadKey reads a key file written by Write, or by
// "openssl genpkey -algorithm ed25519": PKCS#8 in PEM. A file that others may
// read is refused with the command that mends it. Errors are vocab.Problems
// (key.file, key.permissions, key.type); a missing file also matches
// fs.ErrNotExist.
func ReadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileProblem(path, err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, whatever the name means by now
	if err != nil {
		return nil, fileProblem(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fileProblem(path, errors.New("not a regular file"))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, vocab.Problems{vocab.NewProblem("", "key.permissions",
			"密钥文件 %[1]s 的权限是 %[2]o，其他人能读到或改动它。请运行：chmod 600 %[3]s；若别人可能已经读过，请换一把新密钥。",
			"others can read or write the key file %[1]s (mode %[2]o): run chmod 600 %[3]s, and use a new key if somebody may have read it",
			path, mode, shellQuote(path))}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fileProblem(path, err)
	}
	return parseKey(path, b)
}

func parseKey(path string, b []byte) (*Key, error) {
	if len(b) > maxKeyFile {
		return nil, fileProblem(path, errors.New("too large for a key file"))
	}
	block, rest := pem.Decode(b)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fileProblem(path, errors.New("not one PEM block"))
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, vocab.Problems{vocab.NewProblem("", "key.file",
			"密钥文件 %[1]s 有口令加密，目前不支持。可用 openssl pkey -in %[2]s 解开后另存（权限 600）。",
			"the key file %[1]s is encrypted with a passphrase, which is not supported yet: unlock it with openssl pkey -in %[2]s into a file of mode 600",
			path, shellQuote(path))}
	}
	if block.Type != pemPrivateKey {
		return nil, fileProblem(path, fmt.Errorf("PEM type %q, not %q", block.Type, pemPrivateKey))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The library's message could quote parts of the key.
		return nil, fileProblem(path, errors.New("not a PKCS#8 private key"))
	}
	priv, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, checkType(strings.TrimPrefix(fmt.Sprintf("%T", key), "*"))
	}
	return keyOf(priv)
}

// Write stores the key at path as PKCS#8 in PEM, mode 0600, never over an
// existing file. Errors are vocab.Problems (key.exists, key.file).
func (k *Key) Write(path string) error {
	if len(k.priv) != ed25519.PrivateKeySize {
		return errNoKey
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.priv)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return vocab.Problems{vocab.NewProblem("", "key.exists",
			"文件 %s 已存在，不会覆盖：里面可能是正在使用的密钥。请换一个文件名，或先把旧文件移开。",
			"the file %s exists and is not overwritten, it may hold a key in use: choose another name or move it away", path)}
	}
	if err != nil {
		return fileProblem(path, err)
	}
	if err := writeAll(f, pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der})); err != nil {
		os.Remove(path) // half a key is of no use, and would stand in the way
		return fileProblem(path, err)
	}
	return syncDir(filepath.Dir(path))
}

func writeAll(f *os.File, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a new name durable: what a key has signed must not outlive it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fileProblem(dir, err)
	}
	err = errors.Join(d.Sync(), d.Close())
	if err != nil {
		return fileProblem(dir, err)
	}
	return nil
}

// fileError is a Problem about a file that still matches the cause.
type fileError struct {
	vocab.Problems
	cause error
}

func (e fileError) Unwrap() []error { return []error{e.Problems, e.cause} }

func fileProblem(path string, cause error) error {
	reason := cause
	var pe *fs.PathError
	if errors.As(cause, &pe) {
		reason = pe.Err // the path is named already
	}
	return fileError{vocab.Problems{vocab.NewProblem("", "key.file",
		"密钥文件 %s 无法使用：%s。密钥文件用 lianmu key new --out 文件 生成。",
		"the key file %s cannot be used: %s; key files are made with lianmu key new --out FILE",
		path, fmt.Sprint(reason))}, cause}
}

// shellQuote makes a path safe to paste into a POSIX shell.
func shellQuote(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+", r)
	}) && !strings.HasPrefix(path, "-") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

var errNoKey = errors.New("this key is empty")

// Seed returns the 32-byte Ed25519 seed (for the log's note signer only), nil
// for an empty key.
func (k *Key) Seed() []byte {
	if len(k.priv) != ed25519.PrivateKeySize {
		return nil
	}
	return bytes.Clone(k.priv.Seed())
}

// DID implements Signer.
func (k *Key) DID() string { return k.did }

// VerificationMethod implements Signer.
func (k *Key) VerificationMethod() string { return methodOf(k.did) }

// Sign implements Signer: pure Ed25519 (RFC 8032), 64 bytes.
func (k *Key) Sign(message []byte) ([]byte, error) {
	if len(k.priv) != ed25519.PrivateKeySize {
		return nil, errNoKey
	}
	return ed25519.Sign(k.priv, message), nil
}

// String returns the DID.
func (k Key) String() string { return k.did }

// GoString returns the DID.
func (k Key) GoString() string { return k.did }

// Format writes the DID for every verb, %x and %+v included.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.did) }

// LogValue logs the DID.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.did) }

// MarshalText returns the DID.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.did), nil }
