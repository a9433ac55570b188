package view

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/bus"
	"lianmu/hub/intake"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Closing an index takes two seconds of waiting: more tests than cores run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	m.Run()
}

// hub is a log with its registry, filled by a real intake.
type hub struct {
	t        testing.TB
	log      *ledger.Log
	registry *registry.Registry
	intake   *intake.Intake
	key      *identity.Key
	stamp    *identity.Stamp
}

// shelf is a catalogue on a real log, whose index comes along only when the test
// says so.
type shelf struct {
	*Catalog
	*hub
	space     *identity.Key
	config    Config
	bus       *bus.Bus
	states    map[string]LogState
	now       func() time.Time
	processor *jsonld.Processor
	reader    *shape.Reader
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	s := &shelf{states: map[string]LogState{}, now: time.Now, processor: jsonld.New(jsonld.Limits{}), space: identitytest.Key(t)}
	var err error
	if s.bus, err = bus.Start(t.Context(), bus.Config{Dir: filepath.Join(dir, "js"), Listen: "127.0.0.1:0", Now: time.Now, Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.bus.Stop(context.Background()) })
	if s.reader, err = shape.NewReader(); err != nil {
		t.Fatal(err)
	}
	s.hub = s.open(t, ledger.Config{Stream: bus.LogStream, State: s.bus.State(), Origin: "hub.example"}, func(i uint64, at time.Time, f vocab.Fact, r *shape.Reading) {
		s.Appended(i, at, f, r)
	})
	s.config = Config{
		Dir: filepath.Join(dir, "index"), Log: s.log, Registry: s.registry, Union: registry.NewUnion(s.registry), Processor: s.processor, Reader: s.reader,
		Fallback: vocab.AudienceSpace, Every: time.Hour, Now: func() time.Time { return s.now() }, Logger: log,
		States: func() map[string]LogState { return s.states },
	}
	if s.Catalog, err = Open(t.Context(), s.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Catalog.Close() })
	return s
}

// open opens a log of an open hub.
func (s *shelf) open(t testing.TB, c ledger.Config, appended func(uint64, time.Time, vocab.Fact, *shape.Reading)) *hub {
	t.Helper()
	h := &hub{t: t, key: identitytest.Key(t), stamp: &identity.Stamp{}, registry: registry.New()}
	c.JetStream, c.Dir, c.Seed, c.Now, c.Logger = s.bus.JetStream, t.TempDir(), bytes.Repeat([]byte{1}, 32), time.Now, slog.New(slog.DiscardHandler)
	var err error
	if h.log, err = ledger.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.log.Close(context.Background()) })
	h.registry.SetOrigin(c.Origin)
	h.registry.Hub(h.key.DID())
	h.registry.Open()
	h.intake = intake.New(intake.Config{
		Log: h.log, Registry: h.registry, Processor: s.processor, Reader: s.reader, HubDID: h.key.DID(), Appended: appended, Now: time.Now, Logger: c.Logger,
	})
	t.Cleanup(h.intake.Close)
	return h
}

// neighbour opens the log of another hub. A mirror of it would read the same.
func (s *shelf) neighbour(origin string) *hub {
	t := s.hub.t
	t.Helper()
	stream, err := s.bus.MirrorStream(t.Context(), origin)
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.bus.JetStream.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "test_" + bus.MirrorID(origin)})
	if err != nil {
		t.Fatal(err)
	}
	return s.open(t, ledger.Config{Stream: stream, Subjects: bus.MirrorPrefix + bus.MirrorID(origin) + ".", State: state, Origin: origin},
		func(i uint64, at time.Time, f vocab.Fact, r *shape.Reading) { s.AppendedTo(origin, i, at, f, r) })
}

// beside is a shelf with a neighbour that it does not show yet, and a space of that.
func beside(t testing.TB) (s *shelf, b *hub, theirs *identity.Key) {
	t.Helper()
	s = newShelf(t)
	return s, s.neighbour("b.example"), identitytest.Key(t)
}

// bothShown is beside with an offering in each log, both of which it shows.
func bothShown(t testing.TB) (s *shelf, b *hub, theirs *identity.Key) {
	t.Helper()
	s, b, theirs = beside(t)
	s.put(s.space, product("urn:a", "港口吞吐量", public))
	b.put(theirs, product("urn:b", "港口泊位", public))
	s.show(b)
	s.catchUp()
	return s, b, theirs
}

// descriptor describes a space; more are further members.
func descriptor(k *identity.Key, name, more string) string {
	return `"@type":"Space","@id":"` + k.DID() + `","name":"` + name + `"` + more
}

// homeAt is how a descriptor says that a hub is the space's home.
func homeAt(h *hub) string { return `,"hub":"` + h.key.DID() + `"` }

// show attaches a neighbour's log.
func (s *shelf) show(h *hub) {
	s.hub.t.Helper()
	if err := s.Attach(Feed{Log: h.log, Registry: h.registry, HubDID: h.key.DID(), Fallback: vocab.AudiencePublic}); err != nil {
		s.hub.t.Fatal(err)
	}
}

// put signs a document, and has others sign it too, and submits it.
func (h *hub) put(k *identity.Key, doc string, also ...identity.Signer) {
	h.t.Helper()
	raw := identitytest.Sign(h.t, `{"@context":"https://w3id.org/lianmu/v1",`+doc+`}`, k, identity.SignOptions{Created: h.stamp.Next(time.Now()), Expires: time.Now().Add(time.Hour)}, also...)
	submit := h.intake.Submit
	if k == h.key {
		submit = h.intake.SubmitOwn
	}
	if r := submit(h.t.Context(), raw); r.Status != vocab.Accepted {
		h.t.Fatalf("%s: %+v", doc, r)
	}
}

// catchUp brings the index level with all logs.
func (s *shelf) catchUp() {
	s.hub.t.Helper()
	for worked := true; worked; {
		var err error
		if worked, err = s.round(s.hub.t.Context()); err != nil {
			s.hub.t.Fatal(err)
		}
	}
}

// restart closes the catalogue and opens it again, with nothing attached.
func (s *shelf) restart() {
	s.hub.t.Helper()
	if err := s.Catalog.Close(); err != nil {
		s.hub.t.Fatal(err)
	}
	s.config.Union = registry.NewUnion(s.registry)
	var err error
	if s.Catalog, err = Open(s.hub.t.Context(), s.config); err != nil {
		s.hub.t.Fatal(err)
	}
}

// ids are what an anonymous reader finds, sorted.
func (s *shelf) ids(q Question) []string {
	s.hub.t.Helper()
	q.Limit = 100
	a, err := s.Find(s.hub.t.Context(), q)
	if err != nil {
		s.hub.t.Fatal(err)
	}
	if int(a.Total) != len(a.Hits) {
		s.hub.t.Errorf("%d hits, and %d are told", len(a.Hits), a.Total)
	}
	ids := []string{}
	for _, h := range a.Hits {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids
}

// want compares what an anonymous reader finds.
func (s *shelf) want(what string, q Question, ids ...string) {
	s.hub.t.Helper()
	if got := s.ids(q); !slices.Equal(got, ids) {
		s.hub.t.Errorf("%s: %v, not %v", what, got, ids)
	}
}

// level holds the own log's views against each other, and returns them.
func (s *shelf) level(what string, want bool) []State {
	s.hub.t.Helper()
	states, err := s.States(s.hub.t.Context())
	if err != nil || len(states) != 2 || (states[0].Digest == states[1].Digest) != want {
		s.hub.t.Fatalf("%s: the own log's views %+v, %v", what, states, err)
	}
	return states
}

// shown is all that the index shows, of all logs.
func (s *shelf) shown() map[vocab.Key]vocab.Digest {
	s.hub.t.Helper()
	all := map[vocab.Key]vocab.Digest{}
	for _, f := range s.feeds() {
		held, err := s.edition().Holding(s.hub.t.Context(), map[string]string{"hub": f.origin})
		if err != nil {
			s.hub.t.Fatal(err)
		}
		maps.Copy(all, held)
	}
	return all
}
