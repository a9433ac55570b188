package view

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// mirror copies a hub's log as a mirror without the bodies of some entries.
func (s *shelf) mirror(of *hub, withheld ...uint64) (*ledger.Log, *judge.Judge) {
	t := s.hub.t
	t.Helper()
	stream, err := s.bus.MirrorStream(t.Context(), of.log.Origin()+"/copy")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ledger.OpenMirror(t.Context(), ledger.Config{
		JetStream: s.bus.JetStream, Stream: stream, Subjects: bus.MirrorPrefix + bus.MirrorID(of.log.Origin()+"/copy") + ".", State: s.bus.State(), Dir: t.TempDir(),
		Origin: of.log.Origin(), VerifierKey: of.log.VerifierKey(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	var entries []ledger.Mirrored
	for rec, err := range of.log.Read(t.Context(), 0, of.log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		e := ledger.Mirrored{Leaf: rec.Leaf, Fact: rec.Fact, Document: bytes.Clone(rec.Document)}
		for _, i := range withheld {
			if i == rec.Index {
				e = ledger.Mirrored{Leaf: rec.Leaf, Fact: vocab.Fact{Kind: rec.Leaf.Kind, Digest: rec.Leaf.SHA256}, State: ledger.Withheld}
			}
		}
		entries = append(entries, e)
	}
	if err := m.Extend(t.Context(), 0, entries); err != nil {
		t.Fatal(err)
	}
	j := judge.New(s.processor, s.reader, of.key.DID(), 1<<62)
	if err := j.Restore(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m, j
}

// fill puts the body of an entry into a mirror, late.
func (s *shelf) fill(of *hub, m *ledger.Log, j *judge.Judge, index uint64) {
	t := s.hub.t
	t.Helper()
	rec, err := of.log.Get(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Fill(t.Context(), index, ledger.Mirrored{Leaf: rec.Leaf, Fact: rec.Fact, Document: rec.Document}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Late(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
}

// Bodies of a mirror that come late are applied in their place: an offering by
// itself, a descriptor with all that hangs on it; told of or, where the hub was
// stopped before it could be, at the next start.
func TestLateBodies(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"told": false, "at the next start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			b := s.neighbour("b.example")
			theirs := identitytest.Key(t)
			b.put(theirs, descriptor(theirs, "航运空间", `,"audience":"public"`))
			b.put(theirs, product("urn:0", "港口", ""))
			b.put(theirs, product("urn:1", "港口", ""))
			b.put(theirs, product("urn:2", "港口", public))
			m, j := s.mirror(b, 0, 1)
			show := func() {
				t.Helper()
				if err := s.Attach(Feed{Log: m, Registry: j.Registry(), HubDID: b.key.DID()}); err != nil {
					t.Fatal(err)
				}
				s.catchUp()
			}
			late := func(i uint64) {
				t.Helper()
				s.fill(b, m, j, i)
				if restart {
					s.restart()
					show()
					return
				}
				s.Filled("b.example", i)
				s.catchUp()
			}
			show()
			s.want("before", Question{}, "urn:2")
			s.want("before, to its space", Question{Reader: vocab.Reader{Spaces: []string{theirs.DID()}}}, "urn:1", "urn:2")
			if _, err := s.Offering(t.Context(), theirs.DID(), "urn:0", vocab.Reader{All: true}); !errors.Is(err, ErrNotFound) {
				t.Errorf("what is withheld: %v", err)
			}
			late(1)
			s.want("an offering, to its space", Question{Reader: vocab.Reader{Spaces: []string{theirs.DID()}}}, "urn:0", "urn:1", "urn:2")
			late(0)
			s.want("the descriptor", Question{}, "urn:0", "urn:1", "urn:2")
			s.Filled("nobody.example", 0)
		})
	}
}
