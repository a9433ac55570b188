package bus

import (
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Authenticate looks at the token of a client that connects from an address
// ("" or no IP where there is none), and returns the subject token that the
// connection stands for: of the name of the space that the token's key belongs
// to, or of the key itself where that is nobody's. Each token is good for one
// call. It is called for several clients at a time and must not wait.
type Authenticate func(token, client string) (name string, err error)

// Bounds of the gate.
const (
	maxToken      = 3 << 10        // bytes; the server takes no longer CONNECT than 4 KB
	DefaultLife   = 24 * time.Hour // of a connection
	wrongPerSec   = rate.Limit(5)  // wrong tokens of one address that are looked at
	wrongAtOnce   = 50             // before that
	maxRemembered = 16_384         // addresses, and keys at an address; about 5 MB each
)

// gate decides who connects, for the embedded server and the callout alike. It
// reads of a token only who it says has made it, and believes that only after
// Authenticate.
//
// Wrong tokens cost their address: past a bound all tokens from there are
// refused unread, so a flood of them costs no signature checks. A key that was
// let in from an address before has a share of its own there, so whoever shares
// an address with the flood gets back in.
type gate struct {
	authenticate atomic.Pointer[Authenticate]
	now          func() time.Time
	life         time.Duration

	entrances sync.RWMutex // read-held while somebody is let in: see settle

	wrong *lru.Cache[string, *rate.Limiter] // by address, or address and key
	known *lru.Cache[string, struct{}]      // address and key that were let in
}

func newGate(a Authenticate, life time.Duration, now func() time.Time) *gate {
	g := &gate{now: now, life: life}
	g.set(a)
	var err, err2 error
	g.wrong, err = lru.New[string, *rate.Limiter](maxRemembered)
	g.known, err2 = lru.New[string, struct{}](maxRemembered)
	if err := errors.Join(err, err2); err != nil { // only a size below one is refused
		panic(err)
	}
	return g
}

func (g *gate) set(a Authenticate) {
	if a != nil {
		g.authenticate.Store(&a)
	}
}

// entering begins letting somebody in; done ends it.
func (g *gate) entering() (done func()) {
	g.entrances.RLock()
	return g.entrances.RUnlock
}

// settle waits until whoever is being let in is in.
func (g *gate) settle() {
	g.entrances.Lock()
	defer g.entrances.Unlock()
}

// deadline is when a connection that begins now ends.
func (g *gate) deadline() time.Time { return g.now().Add(g.life) }

// enter looks at a token. What Authenticate panics on is refused.
func (g *gate) enter(token, address string) (who entrant, ok bool) {
	defer func() {
		if recover() != nil {
			who, ok = entrant{}, false
		}
	}()
	authenticate := g.authenticate.Load()
	if authenticate == nil || token == "" || len(token) > maxToken {
		return entrant{}, false
	}
	issuer, ok := issuerOf(token)
	if !ok {
		return entrant{}, false
	}
	place := network(address)
	both := place + " " + issuer
	giveBack, ok := g.spend(place)
	if !ok && g.known.Contains(both) {
		giveBack, ok = g.spend(both)
	}
	if !ok {
		return entrant{}, false
	}
	name, err := (*authenticate)(token, address)
	if err != nil || !subjectToken(name) {
		return entrant{}, false
	}
	giveBack()
	g.known.Add(both, struct{}{})
	return entrant{name: name, inbox: SpaceToken(issuer)}, true
}

// spend takes one wrong token from what a place has left; giveBack puts it back.
func (g *gate) spend(place string) (giveBack func(), ok bool) {
	l, found := g.wrong.Get(place)
	if !found {
		l = rate.NewLimiter(wrongPerSec, wrongAtOnce)
		if earlier, found, _ := g.wrong.PeekOrAdd(place, l); found {
			l = earlier
		}
	}
	now := g.now()
	r := l.ReserveN(now, 1)
	if r.DelayFrom(now) > 0 {
		r.CancelAt(now)
		return nil, false
	}
	return func() { r.CancelAt(now) }, true
}

// network is what shares a bound: an IPv4 address, or an IPv6 /64, the least
// that one customer is given. What has no address shares "".
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return ""
	}
	return p.String()
}

// issuerOf reads who a compact JWS says has made it (RFC 7519, section 4.1.1),
// as strictly as identity.VerifyToken does: exact names, none twice. The two
// must not read different issuers in one token.
func issuerOf(token string) (string, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil || !strings.HasPrefix(claims.Issuer, "did:") || len(claims.Issuer) > 512 {
		return "", false
	}
	return claims.Issuer, true
}

// hostOf is the address part of a connection's remote address.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
