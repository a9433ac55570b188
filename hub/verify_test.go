package hub

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// story is a made-up log, told entry by entry to a fold.
type story struct {
	t    *testing.T
	fold *Fold
	at   time.Time
	next uint64
}

func newStory(t *testing.T, hub string, open bool) *story {
	t.Helper()
	reader, err := shape.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	until := uint64(0)
	if open {
		until = always
	}
	return &story{t: t, fold: NewFold(jsonld.New(jsonld.Limits{}), reader, hub, until), at: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)}
}

func named(t *testing.T, fill string) *identity.Key {
	t.Helper()
	key, err := identity.ImportKey("ed25519", strings.Repeat(fill, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs members in our context.
func (s *story) sign(key *identity.Key, members map[string]any, also ...identity.Signer) []byte {
	s.t.Helper()
	s.at = s.at.Add(time.Minute)
	members["@context"] = "https://w3id.org/lianmu/v1"
	if members["@id"] == nil {
		members["@id"] = uuid.New().URN()
	}
	doc, err := json.Marshal(members)
	if err != nil {
		s.t.Fatal(err)
	}
	return identitytest.Sign(s.t, doc, key, identity.SignOptions{Created: s.at}, also...)
}

func (s *story) record(kind vocab.EntryKind, raw []byte) ledger.Record {
	leaf := ledger.NewLeaf(kind, s.at, raw)
	r := ledger.Record{Index: s.next, ReceivedAt: leaf.ReceivedAt, Leaf: leaf,
		Fact: vocab.Fact{Kind: kind, Digest: leaf.SHA256}, Document: raw}
	s.next++
	return r
}

func (s *story) add(kind vocab.EntryKind, key *identity.Key, members map[string]any, also ...identity.Signer) (vocab.Fact, error) {
	s.t.Helper()
	return s.fold.Add(s.record(kind, s.sign(key, members, also...)))
}

type m = map[string]any

func offeringOf(id string) m {
	return m{"@type": "DataProduct", "@id": "https://space.example/" + id, "title": "产品"}
}

func describe(did string, keys ...string) m {
	return m{"@type": "Space", "@id": did, "name": m{"zh": "某空间"}, "key": keys}
}

// Each row is an entry of one log; says is part of the fault that it is, "" for
// none. Space and signer are those that the fold must find out by itself.
func TestFoldChecksRights(t *testing.T) {
	hub, first, second, stranger := named(t, "01"), named(t, "02"), named(t, "03"), named(t, "04")
	space := first.DID()
	admit := func(did string) m { return m{"@type": "Admission", "space": did, "by": "did:key:zOfficer"} }
	rows := []struct {
		name          string
		kind          vocab.EntryKind
		key           *identity.Key
		members       m
		says          string
		space, signer string
	}{
		{"an offering before admission", vocab.KindOffering, first, offeringOf("a"), "should not be in the log", space, ""},
		{"a descriptor before admission", vocab.KindSpace, first, describe(space, space), "was not admitted", space, ""},
		{"an admission by oneself", vocab.KindAct, first, admit(space), "only the hub", space, ""},
	}
	for _, row := range rows { // each alone: the first thing in its log
		t.Run(row.name, func(t *testing.T) {
			s := newStory(t, hub.DID(), false)
			f, err := s.add(row.kind, row.key, row.members)
			if err == nil || !strings.Contains(err.Error(), row.says) || f.Space != row.space {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	s := newStory(t, hub.DID(), false)
	for _, row := range []struct {
		name          string
		kind          vocab.EntryKind
		key           *identity.Key
		members       m
		says          string
		space, signer string
	}{
		{"admitted", vocab.KindAct, hub, admit(space), "", hub.DID(), ""},
		{"its descriptor, a key of which has not signed", vocab.KindSpace, first, describe(space, space, second.DID()), "should not be in the log", space, ""},
		{"its descriptor", vocab.KindSpace, first, describe(space, space, second.DID()), "", space, ""},
		{"an offering with its second key", vocab.KindOffering, second, offeringOf("a"), "", space, second.DID()},
		{"another's descriptor", vocab.KindSpace, second, describe(stranger.DID(), stranger.DID()), "signed by the space itself", space, second.DID()},
		{"a stranger's offering", vocab.KindOffering, stranger, offeringOf("b"), "should not be in the log", stranger.DID(), ""},
		{"a stranger's redaction", vocab.KindRedaction, stranger, m{"@type": "Redaction", "index": 2, "leaf": "AQ", "ground": "personal", "by": "x"}, "only the hub", stranger.DID(), ""},
		{"a stranger's act", vocab.KindAct, stranger, admit(stranger.DID()), "only the hub", stranger.DID(), ""},
		{"the hub's name key retired", vocab.KindSpace, second, describe(space, second.DID()), "", space, second.DID()},
		{"the retired key", vocab.KindOffering, first, offeringOf("c"), "should not be in the log", space, ""},
		{"the key that stays", vocab.KindOffering, second, offeringOf("d"), "", space, second.DID()},
		{"suspended", vocab.KindAct, hub, m{"@type": "Suspension", "space": space, "reason": "整改", "by": "x"}, "", hub.DID(), ""},
		{"while suspended", vocab.KindOffering, second, offeringOf("e"), "should not be in the log", space, second.DID()},
	} {
		var also []identity.Signer
		if row.name == "its descriptor" {
			also = append(also, second)
		}
		f, err := s.add(row.kind, row.key, row.members, also...)
		if row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: %v", row.name, err)
		}
		if f.Space != row.space || f.Signer != row.signer {
			t.Errorf("%s: space %s, signer %s", row.name, f.Space, f.Signer)
		}
	}
}

// On an open hub whoever signs is a space; what is the hub's own is so here too.
func TestFoldOfAnOpenHub(t *testing.T) {
	hub, first := named(t, "01"), named(t, "02")
	s := newStory(t, hub.DID(), true)
	if _, err := s.add(vocab.KindOffering, first, offeringOf("a")); err != nil {
		t.Error(err)
	}
	if _, err := s.add(vocab.KindEpoch, first, m{"@type": "Epoch", "@id": "urn:lianmu:log:x:2", "formerCheckpoint": "x"}); err == nil {
		t.Error("anybody begins an epoch")
	}
	if _, err := s.add(vocab.KindEpoch, hub, m{"@type": "Epoch", "@id": "urn:lianmu:log:x:2", "formerCheckpoint": "x"}); err != nil {
		t.Error(err)
	}
}

// What the keys of a redacted descriptor signed stays that space's, before and
// after the redaction comes, and gives the state of a fold that saw it all.
func TestFoldOverRedactedDescriptor(t *testing.T) {
	hub, first, second := named(t, "01"), named(t, "02"), named(t, "03")
	space := first.DID()
	var states []vocab.Digest
	for _, gone := range []bool{false, true} {
		s := newStory(t, hub.DID(), false)
		if _, err := s.add(vocab.KindAct, hub, m{"@type": "Admission", "space": space, "by": "x"}); err != nil {
			t.Fatal(err)
		}
		descriptor := s.record(vocab.KindSpace, s.sign(first, describe(space, space, second.DID()), second))
		created := s.at
		offering := s.record(vocab.KindOffering, s.sign(second, offeringOf("a")))
		redaction, err := signRedaction(vocab.Redaction{
			Index: descriptor.Index, Leaf: descriptor.Leaf.Bytes(), Ground: "personal", By: "x",
			Space: space, Created: created, Keys: []string{space, second.DID()},
		}, hub, s.at)
		if err != nil {
			t.Fatal(err)
		}
		if gone {
			descriptor.Document, descriptor.Redacted, descriptor.Redaction = nil, true, redaction
		}
		later := s.record(vocab.KindRedaction, redaction)
		last := s.record(vocab.KindOffering, s.sign(second, offeringOf("b")))
		for _, rec := range []ledger.Record{descriptor, offering, later, last} {
			f, err := s.fold.Add(rec)
			if err != nil {
				t.Errorf("descriptor gone %v, entry %d: %v", gone, rec.Index, err)
			}
			if rec.Leaf.Kind == vocab.KindOffering && (f.Space != space || f.Signer != second.DID()) {
				t.Errorf("descriptor gone %v, entry %d: space %s, signer %s", gone, rec.Index, f.Space, f.Signer)
			}
		}
		state := s.fold.State(s.at)
		if state.Offerings != 2 {
			t.Errorf("descriptor gone %v: %+v", gone, state)
		}
		states = append(states, state.Digest)
	}
	if states[0] != states[1] {
		t.Error("the folds differ")
	}
}
