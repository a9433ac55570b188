package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// RFC 8032, section 7.1, tests 1 and 2.
func TestKeysOfRFC8032(t *testing.T) {
	for _, c := range []struct{ seed, pub, msg, sig string }{
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	} {
		key := testKey(t, c.seed)
		pub, err := PublicKey(key.DID())
		if err != nil || hex.EncodeToString(pub) != c.pub {
			t.Errorf("public key %x, %v", pub, err)
		}
		msg, _ := hex.DecodeString(c.msg)
		if sig, err := key.Sign(msg); err != nil || hex.EncodeToString(sig) != c.sig {
			t.Errorf("signature %x, %v", sig, err)
		}
		if got := hex.EncodeToString(key.Seed()); got != c.seed {
			t.Errorf("seed %s", got)
		}
	}
}

func TestDIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed")
		key, err := ImportKey("ed25519", hex.EncodeToString(seed))
		if err != nil {
			t.Fatal(err)
		}
		did, err := methodDID(key.VerificationMethod())
		if err != nil || did != key.DID() || !strings.HasPrefix(did, "did:key:z6Mk") {
			t.Fatalf("%s, %v", did, err)
		}
		pub, err := PublicKey(did)
		if err != nil || !pub.Equal(key.priv.Public()) {
			t.Fatalf("%x, %v", pub, err)
		}
		// One letter changed is another key or none, never the same.
		at := rapid.IntRange(0, len(did)-1).Draw(t, "at")
		other := did[:at] + string(rapid.ByteRange('1', 'z').Draw(t, "letter")) + did[at+1:]
		if p, err := PublicKey(other); err == nil && other != did && p.Equal(pub) {
			t.Fatalf("%s and %s are one key", did, other)
		}
	})
}

// TestSmallOrderKeys forges signatures that crypto/ed25519 accepts for each of
// the keys that PublicKey refuses: S = 0 and R of small order.
func TestSmallOrderKeys(t *testing.T) {
	var points [][]byte
	for k := range smallOrderKeys {
		for _, sign := range []byte{0, 0x80} {
			p := bytes.Clone(k[:])
			p[31] |= sign
			points = append(points, p)
		}
	}
	for _, pub := range points {
		if _, err := PublicKey(didOf(pub)); err == nil {
			t.Errorf("%x is taken for a key", pub)
		}
		if forge(pub, points) {
			continue
		}
		// Four of the encodings are no points (x = 0 with a sign bit).
		if pub[31]&0x80 == 0 {
			t.Errorf("no forgery for %x: is it of small order?", pub)
		}
	}
	good := testKey(t, testSeed).priv.Public().(ed25519.PublicKey)
	if forge(good, points) {
		t.Error("forged for an ordinary key")
	}
}

func forge(pub ed25519.PublicKey, points [][]byte) bool {
	for i := range 64 {
		for _, r := range points {
			if ed25519.Verify(pub, fmt.Appendf(nil, "message %d", i), append(bytes.Clone(r), make([]byte, 32)...)) {
				return true
			}
		}
	}
	return false
}

func TestKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "space key.pem")
	key, err := NewKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := ReadKey(path)
	if err != nil || again.DID() != key.DID() || !bytes.Equal(again.Seed(), key.Seed()) {
		t.Fatalf("read %v, %v", again, err)
	}
	before := readFile(t, path)
	wantCode(t, testKey(t, testSeed).Write(path), "key.exists")
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("a key file was overwritten")
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadKey(path)
		wantCode(t, err, "key.permissions")
		if want := "chmod 600 '" + path + "'"; !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path); err != nil {
		t.Errorf("a read-only key: %v", err)
	}
}

func TestKeyFilesRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := testKey(t, testSeed).Write(good); err != nil {
		t.Fatal(err)
	}
	pem := string(readFile(t, good))
	for name, c := range map[string]struct{ content, code string }{
		"empty":         {"", "key.file"},
		"text":          {testSeed, "key.file"},
		"cut off":       {pem[:len(pem)/2], "key.file"},
		"two keys":      {pem + pem, "key.file"},
		"a public key":  {strings.ReplaceAll(pem, "PRIVATE", "PUBLIC"), "key.file"},
		"encrypted":     {strings.ReplaceAll(pem, "PRIVATE", "ENCRYPTED PRIVATE"), "key.file"},
		"not DER":       {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key.file"},
		"large":         {strings.Repeat("\n", maxKeyFile) + pem, "key.file"},
		"another curve": {p256PEM, "key.type"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			k, err := ReadKey(path)
			if err == nil {
				t.Fatalf("read as %v", k)
			}
			wantCode(t, err, c.code)
			if strings.Contains(err.Error(), testSeed) {
				t.Error("the message repeats the file")
			}
		})
	}
	_, err := ReadKey(filepath.Join(dir, "none"))
	wantCode(t, err, "key.file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not match fs.ErrNotExist", err)
	}
	_, err = ReadKey(dir)
	wantCode(t, err, "key.file")
	wantCode(t, testKey(t, testSeed).Write(filepath.Join(dir, "none", "key")), "key.file")
}

// p256PEM is a P-256 key made for this test: openssl genpkey -algorithm EC.
const p256PEM = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5V4vxFRYihkqstKK
oZnyw2CEQnpTQ7d9oY29neq/T/yhRANCAASZ7yIRqCTilpnkzLK6/tkkqxxLEzpC
tRiGBan1YNTBOiF9+zMqXEk+lYrvZ6hT7Sbnlwod9oOh4wq5SVrVJuhg
-----END PRIVATE KEY-----
`

func TestOpenSSLReadsOurKeysAndWeReadIts(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := testKey(t, testSeed).Write(path); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "pkey", "-in", path, "-noout", "-text").CombinedOutput()
	if err != nil || !strings.Contains(strings.ToUpper(string(out)), "ED25519") {
		t.Errorf("openssl: %v %s", err, out)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	if out, err := exec.Command(openssl, "genpkey", "-algorithm", "ed25519", "-out", theirs).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v %s", err, out)
	}
	if err := os.Chmod(theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(theirs); err != nil {
		t.Error(err)
	}
}

func TestImportRefuses(t *testing.T) {
	for _, seed := range []string{"", "0x" + testSeed, testSeed[:62], testSeed + "00", strings.Repeat("g", 64), testSeed[:32] + " " + testSeed[32:]} {
		_, err := ImportKey("ed25519", seed)
		wantCode(t, err, "key.seed")
		if len(seed) > 10 && strings.Contains(err.Error(), seed) {
			t.Errorf("the message repeats the seed: %v", err)
		}
	}
	if _, err := ImportKey("ed25519", " "+testSeed+"\n"); err != nil {
		t.Error(err)
	}
	for _, typ := range []string{"", "p256", "sm2", "ED25519"} {
		_, err := NewKey(typ)
		wantCode(t, err, "key.type")
		_, err = ImportKey(typ, testSeed)
		wantCode(t, err, "key.type")
	}
}

// However a key is printed, only its DID shows.
func TestKeysNeverShow(t *testing.T) {
	key := testKey(t, testSeed)
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%U"} {
		fmt.Fprintf(&b, verb+"\n", key)
		fmt.Fprintf(&b, verb+"\n", *key)
		fmt.Fprintf(&b, verb+"\n", []*Key{key})
		fmt.Fprintf(&b, verb+"\n", struct{ K Key }{*key})
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("k", "key", key, "value", *key)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("k", "key", key, "value", *key, "list", []any{key})
	if err := json.NewEncoder(&b).Encode(map[string]any{"key": key, "value": *key}); err != nil {
		t.Fatal(err)
	}
	out := strings.ToLower(b.String())
	var decimal []string
	for _, x := range key.Seed()[:4] {
		decimal = append(decimal, fmt.Sprint(x))
	}
	for _, secret := range []string{testSeed[:16], strings.Join(decimal, " "), strings.Join(decimal, ",")} {
		if strings.Contains(out, secret) {
			t.Errorf("shows %s: %s", secret, out)
		}
	}
	if !strings.Contains(b.String(), key.DID()) {
		t.Error("does not show the DID")
	}
}

func TestStamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Stamp
		var last time.Time
		now := testNow
		for _, d := range rapid.SliceOfN(rapid.Int64Range(-5e6, 5e6), 1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(d))
			next := s.Next(now)
			if !next.After(last) || next.Nanosecond()%1e6 != 0 || next.Location() != time.UTC {
				t.Fatalf("%v after %v", next, last)
			}
			if next.Before(now.Truncate(time.Millisecond)) {
				t.Fatalf("%v is behind %v", next, now)
			}
			last = next
		}
	})
}
