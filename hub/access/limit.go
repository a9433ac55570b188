package access

import (
	"net"
	"net/http"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxParties is how many addresses, and how many identities, are told apart;
// beyond it the one unseen for longest starts afresh. About 3 MB each.
const maxParties = 16_384

// limiters is one token bucket for each address, or each identity.
type limiters struct {
	perSecond rate.Limit
	burst     int
	cache     *lru.Cache[string, *rate.Limiter]
}

func newLimiters(perSecond float64, burst int) *limiters {
	cache, err := lru.New[string, *rate.Limiter](maxParties)
	if err != nil { // only a size below one is refused
		panic(err)
	}
	return &limiters{perSecond: rate.Limit(perSecond), burst: burst, cache: cache}
}

// wait takes a token for a party, or tells how long until there is one.
func (l *limiters) wait(party string, now time.Time) time.Duration {
	limiter, ok := l.cache.Get(party)
	if !ok {
		limiter = rate.NewLimiter(l.perSecond, l.burst)
		if earlier, found, _ := l.cache.PeekOrAdd(party, limiter); found {
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
	return g.addresses.wait(networkOf(c.Client), g.now()) <= 0
}

// networkOf is the network of an address with or without a port, or of what
// ClientOf made of one.
func networkOf(client string) string {
	if p, err := netip.ParsePrefix(client); err == nil {
		return p.Masked().String()
	}
	if _, err := netip.ParseAddrPort(client); err != nil {
		return ClientOf(client)
	}
	return network(client).String()
}

// ClientOf names the client at an address without a port, as HTTP would: so
// that one address has one share, whatever way it comes. What cannot be read
// is one client.
func ClientOf(host string) string { return network(net.JoinHostPort(host, "0")).String() }

// Limit wraps h with the rate limit by address; beyond it the answer is 429
// with Retry-After in whole seconds, as problem+json or, in a browser, a page. The
// address is that of the connection: forwarded headers are anyone's to write, so they are not
// believed. The request's context says whose claim it is (see ClaimOf), and keeps
// what Who found out.
func (g *Guard) Limit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := network(r.RemoteAddr).String()
		if delay := g.addresses.wait(from, g.now()); delay > 0 {
			refuseFlood(w, r, delay)
			return
		}
		g.dropDeadCookie(w, r)
		ctx := withSlot(WithClaim(r.Context(), Claim{Client: from}))
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}
