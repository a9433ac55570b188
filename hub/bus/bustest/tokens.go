package bustest

import (
	"bufio"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
)

// compact is an unsigned or self-made JWS with the claims of key's token for a
// hub; sign may be nil.
func compact(header, claims string, sign func([]byte) []byte) string {
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
	if sign == nil {
		return text + "."
	}
	return text + "." + b64.EncodeToString(sign([]byte(text)))
}

func claims(iss, aud string) string {
	now := time.Now().Unix()
	return fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":"%d"}`, iss, iss, aud, now, now+60, time.Now().UnixNano())
}

// tokens tries every token that must not open the door, and two that do.
func tokens(t *testing.T, x Target, key *identity.Key) {
	t.Helper()
	must := func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Now()
	own := bus.InboxPrefix(bus.SpaceToken(key.DID()))
	public, err := identity.PublicKey(key.DID())
	if err != nil {
		t.Fatal(err)
	}
	mac := func(b []byte) []byte { h := hmac.New(sha256.New, public); h.Write(b); return h.Sum(nil) }
	sign := func(b []byte) []byte {
		s, err := key.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	used := must(Fresh(key, x.Hub)())
	try := func(options ...nats.Option) error {
		nc, err := x.connect(append([]nats.Option{nats.CustomInboxPrefix(own), nats.NoReconnect()}, options...)...)
		if err == nil {
			nc.Close()
		}
		return err
	}
	if err := try(nats.Token(used)); err != nil {
		t.Fatalf("a good token: %v", err)
	}
	good := must(Fresh(key, x.Hub)())
	cut := good[:strings.LastIndexByte(good, '.')+1]
	victim := identitytest.Key(t)
	for what, token := range map[string]string{
		"used before":      used,
		"another hub's":    must(identity.NewToken(key, victim.DID(), now, time.Minute)),
		"expired":          must(identity.NewToken(key, x.Hub, now.Add(-time.Hour), time.Minute)),
		"of the future":    must(identity.NewToken(key, x.Hub, now.Add(time.Hour), time.Minute)),
		"alg none":         compact(`{"alg":"none"}`, claims(key.DID(), x.Hub), nil),
		"alg None, signed": compact(`{"alg":"None"}`, claims(key.DID(), x.Hub), sign),
		"HMAC":             compact(`{"alg":"HS256","typ":"JWT"}`, claims(key.DID(), x.Hub), mac),
		"another's name":   compact(`{"alg":"EdDSA","typ":"JWT"}`, claims(victim.DID(), x.Hub), sign),
		"two issuers": compact(`{"alg":"EdDSA","typ":"JWT"}`,
			strings.Replace(claims(key.DID(), x.Hub), `{`, fmt.Sprintf(`{"iss":%q,`, victim.DID()), 1), sign),
		"two audiences":              compact(`{"alg":"EdDSA","typ":"JWT"}`, strings.Replace(claims(key.DID(), x.Hub), `"aud":"`+x.Hub+`"`, `"aud":["`+x.Hub+`","did:key:z6MkOther"]`, 1), sign),
		"no signature":               cut,
		"altered":                    cut + strings.Repeat("A", 86),
		"not a token":                "x",
		"a NUL":                      good[:20] + "\x00" + good[20:],
		"a line":                     good + "\r\nPING",
		"longest that CONNECT takes": strings.Repeat("A", 3900),
		"1 MB":                       strings.Repeat("A", 1<<20),
	} {
		if err := try(nats.Token(token)); err == nil {
			t.Errorf("%s: got in", what)
		}
	}
	for what, options := range map[string][]nats.Option{
		"nothing": nil, "a user": {nats.UserInfo("somebody", "")}, "the token as password": {nats.UserInfo(key.DID(), must(Fresh(key, x.Hub)()))},
		"an nkey beside the token": {nats.Token(must(Fresh(key, x.Hub)())), nats.Nkey(userKey, func([]byte) ([]byte, error) { return make([]byte, 64), nil })},
	} {
		if err := try(options...); err == nil {
			t.Errorf("%s: got in", what)
		}
	}
}

// userKey is some user's public nkey.
const userKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

// greet opens a connection below the library and returns the server's INFO.
func greet(address string) (net.Conn, *bufio.Reader, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return c, nil, err
	}
	r := bufio.NewReader(c)
	_, err = r.ReadString('\n')
	return c, r, err
}

// plainAddress is host:port of a server without TLS or WebSocket, "" of others.
func (x Target) plainAddress() string {
	u, err := url.Parse(x.URL)
	if err != nil || u.Scheme != "nats" {
		return ""
	}
	return u.Host
}

// raw sends what no library would.
func raw(t *testing.T, x Target, fresh func() (string, error), own string) {
	t.Helper()
	address := x.plainAddress()
	if address == "" {
		t.Skip("only where bytes can be written as they are")
	}
	for _, lines := range []string{
		"PUB lianmu.log.offering 4\r\nping\r\n",
		"PUB lianmu.v1.search\r\nPUB lianmu.log.offering 4\r\nping\r\n",
		"PUB " + bus.SubmitPrefix + own + "\tlianmu.log.offering 4\r\nping\r\n",
		"PUB " + bus.SubmitPrefix + own + " lianmu.log.offering\r 4\r\nping\r\n",
		"PUB " + bus.SubmitPrefix + own + "\x00lianmu.log.offering 4\r\nping\r\n",
		"HPUB lianmu.v1.search lianmu.log.offering 52 56\r\nNATS/1.0\r\nNats-Msg-Id: 1\r\nNats-Rollup: all\r\nX: 1\r\n\r\nping\r\n",
		"HPUB lianmu.v1.search 9999999999999999999 4\r\nping\r\n",
		"RPUB HUB lianmu.log.offering 4\r\nping\r\n",
		"SUB > 1\r\n", "SUB $JS.API.> 1\r\n", "SUB lianmu.v1.event.> _INBOX.> 1\r\nPING\r\n",
		"RS+ HUB lianmu.log.offering\r\n", "LS+ lianmu.log.offering\r\n", "A+ HUB\r\n",
		"SUB " + strings.Repeat("a", 5000) + " 1\r\n",
	} {
		c, r, err := greet(address)
		if err != nil {
			t.Fatal(err)
		}
		token, err := fresh()
		if err != nil {
			t.Fatal(err)
		}
		connect, err := json.Marshal(map[string]any{"auth_token": token, "headers": true, "protocol": 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "CONNECT %s\r\nPING\r\n", connect); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "PONG\r\n"; {
			if line, err = r.ReadString('\n'); err != nil || strings.HasPrefix(line, "-ERR") {
				t.Fatalf("connecting: %q, %v", line, err)
			}
		}
		_, _ = fmt.Fprintf(c, "%sPING\r\n", lines) // the server may have hung up
		for line, err := "", error(nil); err == nil && line != "PONG\r\n"; line, err = r.ReadString('\n') {
			if strings.HasPrefix(line, "MSG") {
				t.Errorf("%.40q is answered: %q", lines, line)
			}
		}
		_ = c.Close()
	}
	// What the log holds is looked at by who called.
}

// Flooding is how many connections with wrong tokens come while a good one does,
// unless the target says otherwise.
const Flooding = 10_000

// flood sends wrong tokens from the address of a client that was here before.
// That client gets in all the while.
func flood(t *testing.T, x Target) {
	t.Helper()
	address := x.plainAddress()
	if address == "" || testing.Short() {
		t.Skip("long, and the same for every way in")
	}
	good := identitytest.Key(t)
	enter := func() error {
		nc, err := x.connect(append(Options(good, x.Hub), nats.Timeout(10*time.Second))...)
		if err != nil {
			return err
		}
		defer nc.Close()
		_, err = nc.Request(bus.Search, []byte("ping"), 10*time.Second)
		return err
	}
	if err := enter(); err != nil {
		t.Fatal(err)
	}
	var left, in atomic.Int64
	count := cmp.Or(x.Flood, Flooding)
	left.Store(int64(count))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				token := compact(`{"alg":"EdDSA","typ":"JWT"}`, claims(good.DID()[:40]+fmt.Sprint(left.Load()), x.Hub), func([]byte) []byte { return make([]byte, 64) })
				c, r, err := greet(address)
				if err == nil {
					_, _ = fmt.Fprintf(c, "CONNECT {\"auth_token\":%q,\"protocol\":1}\r\nPING\r\n", token)
					if line, _ := r.ReadString('\n'); line == "PONG\r\n" {
						in.Add(1)
					}
				}
				if c != nil {
					_ = c.Close()
				}
			}
		})
	}
	times := 0
	for ; left.Load() > 0; times++ {
		if err := enter(); err != nil {
			t.Errorf("the good client, for the %dth time: %v", times, err)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	wg.Wait()
	if in.Load() > 0 {
		t.Errorf("%d wrong tokens got in", in.Load())
	}
	t.Logf("a good client got in %d times beside %d wrong tokens", times, count)
}
