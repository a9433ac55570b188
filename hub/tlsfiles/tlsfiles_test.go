package tlsfiles

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

// pem files of a self-signed certificate for 127.0.0.1.
func makePair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "hub.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8})
}

type files2 struct{ cert, key string }

func write(t *testing.T, f files2, cert, key []byte, changed time.Time) {
	t.Helper()
	for name, b := range map[string][]byte{f.cert: cert, f.key: key} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
}

// serial is the number of the certificate that a handshake is answered with.
func serial(t *testing.T, c *tls.Config, version uint16) (int64, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_ = conn.(*tls.Conn).Handshake() // the client tells
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestNewFilesAreTakenUp(t *testing.T) {
	dir := t.TempDir()
	f := files2{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	var log bytes.Buffer
	now := time.Now()
	cert1, key1 := makePair(t, 1)
	cert2, key2 := makePair(t, 2)
	write(t, f, cert1, key1, now)
	c, err := Config(f.cert, f.key, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want int64) {
		t.Helper()
		if got, err := serial(t, c, tls.VersionTLS13); err != nil || got != want {
			t.Errorf("%s: certificate %d, want %d; %v", what, got, want, err)
		}
	}
	expect("at first", 1)
	write(t, f, cert2, key2, now.Add(time.Minute))
	expect("within the same second", 1)
	now = now.Add(2 * time.Second)
	expect("a second later", 2)

	// A half-written or mixed pair is told once, and the old one stays.
	for i, broken := range []struct{ cert, key []byte }{{cert1, key2}, {cert1[:100], key1}, {nil, nil}, {cert1, []byte("no key")}} {
		log.Reset()
		write(t, f, broken.cert, broken.key, now.Add(time.Duration(i+2)*time.Minute))
		for range 3 {
			now = now.Add(2 * time.Second)
			expect("a broken pair", 2)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("pair %d is told %d times: %s", i, n, &log)
		}
		if strings.Contains(log.String(), string(key1[30:60])) {
			t.Error("the key is in the log")
		}
	}
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	expect("without a key file", 2)
	write(t, f, cert1, key1, now.Add(time.Hour))
	if err := os.Chmod(f.key, 0o640); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	expect("with a readable key", 2)
	if err := os.Chmod(f.key, 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	expect("mended", 1)
}

func TestOldVersionsOfTLS(t *testing.T) {
	dir := t.TempDir()
	f := files2{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	cert, key := makePair(t, 1)
	write(t, f, cert, key, time.Now())
	c, err := Config(f.cert, f.key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		if _, err := serial(t, c, version); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := makePair(t, 1)
	path := func(name string, b []byte, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, goodKey := path("cert", cert, 0o644), path("key", key, 0o600)
	_, other := makePair(t, 2)
	for what, c := range map[string]struct{ cert, key, code string }{
		"no key named":   {good, "", "tls.files"},
		"no certificate": {"", goodKey, "tls.files"},
		"missing":        {good, filepath.Join(dir, "nowhere"), "tls.files"},
		"a folder":       {dir, goodKey, "tls.files"},
		"another's key":  {good, path("other", other, 0o600), "tls.files"},
		"readable key":   {good, path("open", key, 0o644), "tls.permissions"},
		"writable key":   {good, path("group", key, 0o620), "tls.permissions"},
		"huge":           {path("huge", bytes.Repeat([]byte("x"), maxFile+1), 0o600), goodKey, "tls.files"},
		"swapped":        {goodKey, path("swapped", cert, 0o600), "tls.files"},
	} {
		_, err := Config(c.cert, c.key, time.Now, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s was taken", what)
			continue
		}
		p := vocab.ProblemsOf(err, "other")[0]
		if p.Code != c.code || p.Message["zh"] == "" || p.Message["en"] == "" || strings.Contains(p.Message["zh"]+p.Message["en"], "%!") {
			t.Errorf("%s: %+v", what, p)
		}
	}
}
