package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

// greeting is a listener that says something to whoever connects.
func greeting(t *testing.T, words string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(words)) // who reads may have had enough
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestGreeterReadsWhoTheHubIs(t *testing.T) {
	for _, c := range []struct{ words, hub string }{
		{"INFO {\"server_name\":\"did:key:z6MkHub\",\"port\":4222}\r\nPING\r\n", "did:key:z6MkHub"},
		{"INFO {\"server_name\":\"did:key:z6MkHub#second\"}\r\n", "did:key:z6MkHub"},
		{"INFO {\"server_name\":\"nats-1\"}\r\n", ""},
		{"INFO {}\r\n", ""},
		{"INFO [\r\n", ""},
		{"220 mail.example\r\n", ""},
	} {
		g := &greeter{}
		conn, err := g.Dial("tcp", greeting(t, c.words))
		if err != nil {
			t.Errorf("%q: %v", c.words, err)
			continue
		}
		// Not a byte of it is lost to the library.
		all := make([]byte, len(c.words))
		n := 0
		for n < len(all) && err == nil {
			var m int
			m, err = conn.Read(all[n:])
			n += m
		}
		if string(all[:n]) != c.words {
			t.Errorf("%q became %q", c.words, all[:n])
		}
		conn.Close()
		if got, err := g.hub(); got != c.hub || (err == nil) != (c.hub != "") {
			t.Errorf("%q: %q, %v", c.words, got, err)
		}
	}
	for _, words := range []string{"", "INFO {", strings.Repeat("x", 2*greetSize)} {
		if conn, err := (&greeter{}).Dial("tcp", greeting(t, words)); err == nil {
			conn.Close()
			t.Errorf("%.20q is a greeting", words)
		}
	}
	// Who knows the hub's DID asks nobody.
	g := &greeter{Hub: "did:key:z6MkMine"}
	conn, err := g.Dial("tcp", greeting(t, "INFO {\"server_name\":\"did:key:z6MkOther\"}\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got, err := g.hub(); got != "did:key:z6MkMine" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A server that claims to be another hub gets a token for that one, unless the
// person has said which hub it is: then what it gets is of no use elsewhere.
func TestALyingServerGetsNothingUsable(t *testing.T) {
	real, liar := testKey(t, 90).DID(), testKey(t, 91).DID()
	got := make(chan string, 10)
	b, err := bus.Start(t.Context(), bus.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", HubDID: real, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(token, _ string) (string, error) { got <- token; return "", fmt.Errorf("only listens") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop(t.Context()) })
	as := callerWith(testKey(t, 0))
	for pinned, usable := range map[string]bool{"": true, liar: false} {
		as.HubDID = pinned
		if _, err := dialNATS(t.Context(), b.ClientURL(), as); err == nil || !strings.Contains(err.Error(), "does not take this key") {
			t.Errorf("got %v", err)
		}
		_, _, _, err := identity.VerifyToken(<-got, real, time.Now())
		if (err == nil) != usable {
			t.Errorf("pinned to %q, the token at %s: %v", pinned, real, err)
		}
	}
}

// Over NATS nobody speaks without a key, nor under a user's name.
func TestNATSNeedsAKey(t *testing.T) {
	in := startIntake(t)
	for _, url := range []string{"nats://user:secret@127.0.0.1:4222", "nats://token@127.0.0.1:4222", "nats://"} {
		if _, err := dialNATS(t.Context(), url, callerWith(testKey(t, 0))); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := dialNATS(t.Context(), in.bus.ClientURL(), caller{Now: time.Now, Notice: func(string) {}}); err == nil || !strings.Contains(err.Error(), "--key") {
		t.Errorf("without a key: %v", err)
	}
	as := callerWith(testKey(t, 0))
	as.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	if _, err := dialNATS(t.Context(), in.bus.ClientURL(), as); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("with a wrong clock: %v", err)
	}
}

// A key that is refused meanwhile is told so, and not only that nobody answers.
func TestAConnectionThatIsTakenAway(t *testing.T) {
	in := startIntake(t)
	key := testKey(t, 0)
	to, err := dialNATS(t.Context(), in.bus.ClientURL(), callerWith(key))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	in.bus.SetAuthenticate(func(string, string) (string, error) { return "", fmt.Errorf("suspended") })
	in.bus.Disconnect(bus.SpaceToken(key.DID()))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, err = to.Submit(t.Context(), []byte(`{"@id":"urn:a"}`))
		if err != nil && strings.Contains(err.Error(), "no longer takes connections with this key") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %v", err)
		}
	}
	in.bus.SetAuthenticate(bustest.Authenticate(testKey(t, 99).DID()))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = to.Submit(t.Context(), []byte(`{"@id":"urn:a"}`)); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("allowed again, it does not come back: %v", err)
		}
	}
}

// The command line over WebSocket, on the HTTP port.
func TestPublishOverWebSocket(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	key := newKey(t)
	ws := strings.Replace(info.HTTP, "http", "ws", 1)
	for i, url := range []string{ws, ws + "/", ws + "/nats"} {
		file := writeFile(t, "a.json", titled(fmt.Sprint("urn:ws:", i), "潮位"))
		if s := summaryOf(t, cli(t, 0, "publish", "--hub", url, "--key", key, "--json", file)); s.Accepted != 1 {
			t.Errorf("%s: %+v", url, s)
		}
	}
	file := writeFile(t, "a.json", titled("urn:ws:pinned", "潮位"))
	cli(t, 0, "publish", "--hub", ws, "--key", key, "--hub-did", info.DID, file)
	if code, _, errs := runCLI(t, "", "publish", "--hub", ws, "--key", key, "--hub-did", testKey(t, 5).DID(), file); code != 2 || !strings.Contains(errs, "--hub-did") {
		t.Errorf("for another hub: exit %d, %s", code, errs)
	}
	if code, _, errs := runCLI(t, "", "publish", "--hub", "ws://127.0.0.1:1", "--key", key, file); code != 2 || !strings.Contains(errs, "is the hub running") {
		t.Errorf("nobody there: exit %d, %s", code, errs)
	}
}

// A hub with a certificate, and the command line that trusts it.
func TestPublishOverTLS(t *testing.T) {
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	tlsKey := writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8})))
	p := start(t, "hub", "--dir", filepath.Join(dir, "hub"), "--open", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", tlsKey, "--json")
	var info hub.Info
	if !p.out.Scan() {
		t.Fatalf("the hub is not ready: %s", p.stderr.String())
	}
	if err := json.Unmarshal(p.out.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	for i, url := range []string{info.NATS, strings.Replace(info.NATS, "tls", "nats", 1), info.HTTP, strings.Replace(info.HTTP, "https", "wss", 1)} {
		file := writeFile(t, "a.json", titled(fmt.Sprint("urn:tls:", i), "潮位"))
		for trusted, want := range map[string]int{cert: 0, "/dev/null": 2} {
			cmd := exec.Command(path, "publish", "--hub", url, "--key", key, file)
			cmd.Env = append(cleanEnv(), "SSL_CERT_FILE="+trusted, "SSL_CERT_DIR="+dir)
			out, _ := cmd.CombinedOutput() // the exit code says it
			if cmd.ProcessState.ExitCode() != want {
				t.Errorf("%s, trusting %s: exit %d, want %d\n%s", url, trusted, cmd.ProcessState.ExitCode(), want, out)
			}
		}
	}
	if err := os.Chmod(tlsKey, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "hub", "--dir", filepath.Join(dir, "other"), "--open", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", tlsKey).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "chmod 600") {
		t.Errorf("a readable key: %v\n%s", err, out)
	}
}
