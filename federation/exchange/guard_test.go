package exchange

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

// A server that announces a message larger than memory would end the program. The
// connection ends instead, and the question that waited with it.
func TestHostileServer(t *testing.T) {
	for name, say := range map[string]string{
		"a huge message":                 "MSG %s 1 9000000000000000000\r\nx",
		"a large one":                    "MSG %s 1 2000000\r\nx",
		"huge headers":                   "HMSG %s 1 9000000000000000000 9000000000000000000\r\nx",
		"a size that wraps":              "MSG %s 1 18446744073709551700\r\nx",
		"an endless line":                strings.Repeat("MSG ", 1<<20) + "%s",
		"a message within a line":        "+OK\rMSG %s 1 9000000000000000000\r\nx",
		"a message that is longer":       "MSG %s 1 1\r\nx\nMSG a 1 9000000000000000000\r\n",
		"small letters and tabulators":   "msg\t%s\t1\t9000000000000000000\r\n",
		"a line without carriage return": "PING\nMSG %s 1 9000000000000000000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			url := fakeServer(t, say)
			conn, err := nats.Connect(url, nats.NoReconnect(), nats.SetCustomDialer(&Dialer{Context: t.Context(), Host: "127.0.0.1"}),
				nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := NewClient(NewNATSAsker(conn, time.Second))
			c.timeout = 5 * time.Second
			var sf *SourceFault
			if _, err := c.Checkpoint(t.Context(), "a"); !errors.As(err, &sf) {
				t.Errorf("got %v", err)
			}
			for range 500 {
				if conn.IsClosed() {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("the connection is open yet")
		})
	}
}

// fakeServer greets like a NATS server, and answers any message with say.
func fakeServer(t *testing.T, say string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = fmt.Fprintf(conn, "INFO {\"server_id\":\"x\",\"max_payload\":1048576,\"headers\":true,\"proto\":1}\r\n")
		inbox := ""
		for in := bufio.NewScanner(conn); in.Scan(); {
			words := strings.Fields(in.Text())
			switch {
			case len(words) == 0:
			case words[0] == "PING":
				_, _ = fmt.Fprint(conn, "PONG\r\n")
			case words[0] == "SUB":
				inbox = words[1]
			case words[0] == "PUB":
				_, _ = fmt.Fprintf(conn, say, strings.TrimSuffix(inbox, "*")+"x")
			}
		}
	}()
	return "nats://" + l.Addr().String()
}

// A real server is talked to through it as without it, over TLS too, and a
// certificate of another name is refused.
func TestDialerToRealServer(t *testing.T) {
	cert, pool := certificate(t)
	for _, secure := range []bool{false, true} {
		hub := identitytest.Key(t)
		c := bus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", HubDID: hub.DID(), Authenticate: bustest.Authenticate(hub.DID()), Logger: (&world{t: t}).quiet(), Reserve: 1}
		if secure {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
		b, err := bus.Start(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(b.ClientURL(), "nats://"), "tls://"), ":")
		key := identitytest.Key(t)
		connect := func(host string, secure bool) (*nats.Conn, error) {
			return nats.Connect("nats://127.0.0.1:"+port, append(bustest.Options(key, hub.DID()), nats.NoReconnect(),
				nats.SetCustomDialer(&Dialer{Context: t.Context(), Host: host, Secure: secure, TLS: &tls.Config{RootCAs: pool}}))...)
		}
		conn, err := connect("peer.example", secure)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Flush(); err != nil {
			t.Error(err)
		}
		conn.Close()
		if conn, err := connect("other.example", true); err == nil {
			t.Errorf("secure %v: connected to another name, or without TLS", secure)
			conn.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"peer.example"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// However the bytes are cut into reads, the same is let through.
func FuzzWatcher(f *testing.F) {
	f.Add([]byte("PING\r\nMSG a 1 5\r\nhello\r\n+OK\r\nHMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"), 3)
	f.Add([]byte("MSG a 1 9999999\r\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		var whole, parts watcher
		err := whole.see(b)
		step = max(step, 1)
		var err2 error
		for rest := b; len(rest) > 0 && err2 == nil; {
			n := min(step, len(rest))
			err2, rest = parts.see(rest[:n]), rest[n:]
		}
		if (err == nil) != (err2 == nil) || err == nil && (whole.rest != parts.rest || string(whole.line) != string(parts.line)) {
			t.Errorf("%q: %v, in parts %v", b, err, err2)
		}
		if whole.rest > maxMessage+2 || len(whole.line) > maxLine {
			t.Errorf("%d to come, a line of %d", whole.rest, len(whole.line))
		}
	})
}
