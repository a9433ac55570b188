package hub

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
)

// Bounds of outcasts.
const (
	outcastFor  = time.Minute
	outcastKept = 16_384
)

// outcasts are who flooded and is kept out for a while: names of connections and,
// as anybody can make keys, the addresses of those that were not admitted.
type outcasts struct {
	now func() time.Time

	mu    sync.Mutex
	until *lru.Cache[string, time.Time]
}

func newOutcasts(now func() time.Time) (*outcasts, error) {
	until, err := lru.New[string, time.Time](outcastKept)
	return &outcasts{now: now, until: until}, err
}

func (o *outcasts) add(who string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until.Add(who, o.now().Add(outcastFor))
}

func (o *outcasts) has(who string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	until, ok := o.until.Get(who)
	return ok && o.now().Before(until)
}

// expel ends the connections of a name that floods, and keeps it out for a
// while. An admitted space answers for itself; of others the address does.
func (h *Hub) expel(name, client string) {
	h.tasks.Go(func() { h.base.bus.Disconnect(name) })
	if h.outcasts.has(name) {
		return // the rest of a flood that is told of
	}
	did := bus.TokenDID(name)
	h.outcasts.add(name)
	if s, known := h.base.registry.Space(did); !known || s.Standing != registry.Admitted {
		h.outcasts.add(client)
	}
	h.c.Logger.Warn("a client that floods is cut off", "name", did, "address", client, "for", outcastFor)
	h.trail.Refused(audit.Record{Who: did, Via: access.ViaToken, From: client, Act: "flood", Code: "access.rate"})
}
