package access

import (
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/vocab"
)

// Codes of organisations that hold.
const (
	orgA = "91512081MA62K0260E"
	orgB = "12430000MB0L046927"
)

// world is a hub with a registry that the test writes into, as the log would.
type world struct {
	t        testing.TB
	clock    *clock
	hub      *identity.Key
	registry *registry.Registry
	next     uint64
	events   []Event
}

func newWorld(t testing.TB) *world {
	return &world{t: t, clock: &clock{t: start}, hub: identitytest.Key(t), registry: registry.New()}
}

// guard is a Guard of this world.
func (w *world) guard(edit ...func(*Config)) *Guard {
	c := Config{HubDID: w.hub.DID(), Registry: w.registry, Now: w.clock.now, Audit: func(e Event) { w.events = append(w.events, e) }}
	for _, f := range edit {
		f(&c)
	}
	return newGuard(w.t, c)
}

// log applies one entry, a second after the one before.
func (w *world) log(e registry.Entry) {
	w.clock.move(time.Second)
	e.Index, e.ReceivedAt = w.next, w.clock.now()
	e.Fact.Created = w.clock.now()
	e.Fact.Digest = vocab.DigestOf([]byte{byte(w.next), byte(w.next >> 8)})
	w.next++
	w.registry.Apply(e)
}

// describe logs a descriptor of a space, signed by the key of its name.
func (w *world) describe(space *identity.Key, s vocab.Space) {
	s.DID = space.DID()
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: s.DID, ID: s.DID}, Space: &s})
}

func (w *world) act(a vocab.Act) {
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindAct, Space: w.hub.DID(), ID: "urn:uuid:1"}, Act: &a})
}

// space is an admitted one.
func (w *world) space() *identity.Key {
	k := identitytest.Key(w.t)
	w.act(vocab.Act{Verb: vocab.Admission, Space: k.DID()})
	w.describe(k, vocab.Space{})
	return k
}

func (w *world) participant(space *identity.Key, p vocab.Participant) {
	p.ID = "urn:participant:" + p.Code + p.DID
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindParticipant, Space: space.DID(), ID: p.ID}, Participant: &p})
}

// token is a fresh one for this hub.
func (w *world) token(k *identity.Key) string { return token(w.t, k, w.hub.DID(), w.clock.now()) }

// session is a fresh session token for this hub.
func (w *world) session(k *identity.Key, p identity.Person) string {
	w.t.Helper()
	s, err := identity.NewSessionToken(k, w.hub.DID(), p, w.clock.now(), 5*time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
