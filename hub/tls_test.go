package hub_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/hubtest"
)

// certificate writes a self-signed one for 127.0.0.1 and returns who trusts it.
func certificate(t *testing.T, dir string) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
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
	cert, key = filepath.Join(dir, "tls-cert.pem"), filepath.Join(dir, "tls-key.pem")
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(cert, chain, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8}), 0o600); err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(chain)
	return cert, key, trust
}

// With a certificate everything goes over TLS, NATS too; a new certificate is
// taken up while the hub runs.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	c := hubtest.Config(t, dir)
	var trust *x509.CertPool
	c.TLSCert, c.TLSKey, trust = certificate(t, dir)
	info := run(t, c).info
	if !strings.HasPrefix(info.HTTP, "https://") || !strings.HasPrefix(info.NATS, "tls://") {
		t.Errorf("%+v", info)
	}
	key := identitytest.Key(t)
	ask := func(url string, trust *x509.CertPool) error {
		nc, err := nats.Connect(url, append(bustest.Options(key, info.DID), nats.Secure(&tls.Config{RootCAs: trust}), nats.ProxyPath("/nats"))...)
		if err != nil {
			return err
		}
		defer nc.Close()
		_, err = nc.Request(bus.Search, []byte(`{"q":""}`), 10*time.Second)
		return err
	}
	get := func(trust *x509.CertPool) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		resp, err := client.Get(info.HTTP + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.ProtoMajor != 2 {
				t.Errorf("HTTP is version %d", resp.ProtoMajor)
			}
		}
		return err
	}
	wss := strings.Replace(info.HTTP, "https", "wss", 1)
	everything := func(what string, trust *x509.CertPool, ok bool) {
		t.Helper()
		for name, err := range map[string]error{"NATS": ask(info.NATS, trust), "WebSocket": ask(wss, trust), "HTTP": get(trust)} {
			if (err == nil) != ok {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
	everything("trusted", trust, true)
	everything("not trusted", x509.NewCertPool(), false)
	if nc, err := nats.Connect(strings.Replace(wss, "wss", "ws", 1), append(bustest.Options(key, info.DID), nats.ProxyPath("/nats"))...); err == nil {
		nc.Close()
		t.Error("NATS without TLS")
	}
	_, _, renewed := certificate(t, dir)
	for range 100 { // files are looked at once a second
		if get(renewed) == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	everything("renewed", renewed, true)
	everything("the old certificate", trust, false)
}

func TestBadTLSFilesStopTheStart(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][2]string{{cert, key}, {cert, ""}, {"", key}, {cert, cert}} {
		c := hubtest.Config(t, dir)
		c.TLSCert, c.TLSKey = files[0], files[1]
		h, err := hub.Start(t.Context(), c)
		if err == nil {
			_ = h.Close(t.Context())
			t.Errorf("%v was taken", files)
		}
	}
}

// NATS over WebSocket on the HTTP port, beside the API: the same rights, and
// the client is where its connection comes from, whatever its headers say.
func TestWebSocket(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	r.must(offering("a", "港口数据"))
	url := strings.Replace(r.info.HTTP, "http", "ws", 1)
	nc := bustest.Connect(t, url, r.info.DID, r.key, nats.ProxyPath("/nats"), nats.WebSocketConnectionHeaders(http.Header{
		"X-Forwarded-For": {"192.0.2.7"}, "X-Real-Ip": {"192.0.2.7"}, "Forwarded": {"for=192.0.2.7"}, "Cookie": {"lianmu-hub=x"},
	}))
	over := &running{t: t, hub: r.hub, info: r.info, key: r.key, conn: nc}
	over.must(offering("b", "航运数据"))
	for what, c := range map[string]struct {
		method, path string
		header       http.Header
		status       int
	}{
		"a page":      {http.MethodGet, "/nats", nil, http.StatusUpgradeRequired},
		"a POST":      {http.MethodPost, "/nats", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, http.StatusUpgradeRequired},
		"another":     {http.MethodGet, "/nats", http.Header{"Upgrade": {"h2c"}, "Connection": {"Upgrade"}}, http.StatusUpgradeRequired},
		"no key":      {http.MethodGet, "/nats", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, http.StatusBadRequest},
		"leaf nodes":  {http.MethodGet, "/nats/leafnode", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, http.StatusNotFound},
		"the API":     {http.MethodGet, "/api/v1/search", nil, http.StatusOK},
		"two slashes": {http.MethodGet, "/api//v1/search", nil, http.StatusNotFound},
	} {
		req, err := http.NewRequest(c.method, r.info.HTTP+c.path, bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range c.header {
			req.Header[name] = v
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", what, resp.StatusCode, c.status)
		}
	}
}
