package access

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"lianmu/vocab"
)

// maxAddresses is how many addresses are told apart; beyond it the one unseen
// for longest starts afresh. About 3 MB.
const maxAddresses = 16_384

// limiters is one token bucket an address.
type limiters struct {
	perSecond rate.Limit
	burst     int
	cache     *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newLimiters(perSecond float64, burst int) *limiters {
	cache, err := lru.New[netip.Prefix, *rate.Limiter](maxAddresses)
	if err != nil { // only a size below one is refused
		panic(err)
	}
	return &limiters{perSecond: rate.Limit(perSecond), burst: burst, cache: cache}
}

// wait takes a token for the address, or tells how long until there is one.
func (l *limiters) wait(from netip.Prefix, now time.Time) time.Duration {
	limiter, ok := l.cache.Get(from)
	if !ok {
		limiter = rate.NewLimiter(l.perSecond, l.burst)
		if earlier, found, _ := l.cache.PeekOrAdd(from, limiter); found {
			limiter = earlier
		}
	}
	r := limiter.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay > 0 {
		r.CancelAt(now)
	}
	return delay
}

// network is what shares one limit: an IPv4 address, or an IPv6 /64, which is
// the least that one customer is given. What cannot be read, such as the peer
// of a Unix socket, shares the zero Prefix.
func network(remoteAddr string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	a := ap.Addr().Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// Allow takes a token for a claim from elsewhere than HTTP, from the bucket
// that its address has there too; false if there is none.
func (g *Guard) Allow(c Claim) bool {
	from, err := netip.ParsePrefix(c.Client)
	if err != nil {
		from = netip.Prefix{}
	}
	return g.limits.wait(from, g.now()) <= 0
}

// ClientOf names the client at an address without a port, as HTTP would: so
// that one address has one share, whatever way it comes. What cannot be read
// is one client.
func ClientOf(host string) string { return network(net.JoinHostPort(host, "0")).String() }

// Limit wraps h with the rate limit by address; beyond it the answer is 429
// with Retry-After in whole seconds, as problem+json. The address is that of
// the connection: forwarded headers are anyone's to write, so they are not
// believed. The request's context says whose claim it is (see ClaimOf).
func (g *Guard) Limit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := network(r.RemoteAddr)
		delay := g.limits.wait(from, g.now())
		if delay <= 0 {
			claim := Claim{Client: from.String()}
			h.ServeHTTP(w, r.WithContext(WithClaim(r.Context(), claim)))
			return
		}
		tooMany(w, int(math.Ceil(delay.Seconds())))
	})
}

// tooMany answers 429 (RFC 6585, section 4; RFC 9457).
func tooMany(w http.ResponseWriter, seconds int) {
	p := vocab.NewProblem("", "access.rate",
		"请求过于频繁，请在 %d 秒后重试。", "too many requests from this address: try again in %d s", seconds)
	body, err := json.Marshal(map[string]any{
		"type":     "about:blank",
		"title":    http.StatusText(http.StatusTooManyRequests),
		"status":   http.StatusTooManyRequests,
		"detail":   p.Message["en"],
		"code":     p.Code,
		"problems": vocab.Problems{p},
	})
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Retry-After", strconv.Itoa(seconds))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(body) // a client that hung up needs no answer
}
