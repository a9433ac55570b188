package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/vocab"
)

// Header fields of an entry's message. The leaf record is what counts; the
// others are hints that anyone recomputes from the document. Text that others
// chose is in base64, so that it cannot become a header of its own.
const (
	hdrLeaf    = "Lianmu-Leaf"
	hdrSpace   = "Lianmu-Space"
	hdrSigner  = "Lianmu-Signer" // only where it is not the space
	hdrID      = "Lianmu-Id"
	hdrContent = "Lianmu-Content"
	hdrCreated = "Lianmu-Created"
	hdrExpires = "Lianmu-Expires"
	// hdrAudience is what an offering or participant itself says, saysNothing
	// included. What was written before there was this hint has none.
	hdrAudience = "Lianmu-Audience"
	// Only in a mirror, and only where the entry is not Held; then without hints.
	hdrState = "Lianmu-State"
	hdrFault = "Lianmu-Fault"
)

// hintHeaders are those that go along when an entry's message is copied.
var hintHeaders = []string{hdrLeaf, hdrSpace, hdrSigner, hdrID, hdrContent, hdrCreated, hdrExpires, hdrAudience}

// maxHints bounds the text that hints may take in a header, in bytes.
const maxHints = 24 << 10

// saysNothing is in hdrAudience for a document that leaves it to its space.
const saysNothing = "default"

var b64 = base64.RawURLEncoding

func header(leaf []byte, m Mirrored) nats.Header {
	h := make(nats.Header, 11)
	set := func(k, v string) { h[k] = []string{v} }
	set(hdrLeaf, b64.EncodeToString(leaf))
	if m.State != Held { // nothing that a document said
		set(hdrState, m.State.String())
		if m.Fault != "" {
			set(hdrFault, b64.EncodeToString([]byte(m.Fault)))
		}
		return h
	}
	f := m.Fact
	if f.Space != "" {
		set(hdrSpace, b64.EncodeToString([]byte(f.Space)))
	}
	if f.Signer != "" {
		set(hdrSigner, b64.EncodeToString([]byte(f.Signer)))
	}
	if f.ID != "" {
		set(hdrID, b64.EncodeToString([]byte(f.ID)))
	}
	if !f.Content.IsZero() {
		set(hdrContent, b64.EncodeToString(f.Content[:]))
	}
	if !f.Created.IsZero() {
		set(hdrCreated, f.Created.UTC().Format(time.RFC3339Nano))
	}
	if !f.Expires.IsZero() {
		set(hdrExpires, f.Expires.UTC().Format(time.RFC3339Nano))
	}
	switch {
	case f.Audience != "":
		set(hdrAudience, string(f.Audience))
	case hasAudience(f.Kind):
		set(hdrAudience, saysNothing)
	}
	return h
}

func get(h nats.Header, k string) string {
	if v := h[k]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// leafOf reads the leaf record in a message's header.
func leafOf(h nats.Header) ([]byte, Leaf, error) {
	s := get(h, hdrLeaf)
	if s == "" {
		return nil, Leaf{}, errors.New("it carries no leaf record")
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, Leaf{}, errors.New("its leaf record is not base64")
	}
	l, err := ParseLeaf(b)
	return b, l, err
}

// factOf reads the hints; kind and digest come from the leaf.
func factOf(h nats.Header, l Leaf) (vocab.Fact, error) {
	f := vocab.Fact{Kind: l.Kind, Digest: l.SHA256}
	space, err1 := b64.DecodeString(get(h, hdrSpace))
	id, err2 := b64.DecodeString(get(h, hdrID))
	content, err3 := b64.DecodeString(get(h, hdrContent))
	created, err4 := hintTime(get(h, hdrCreated))
	expires, err5 := hintTime(get(h, hdrExpires))
	signer, err6 := b64.DecodeString(get(h, hdrSigner))
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return f, fmt.Errorf("hints: %w", err)
	}
	f.Space, f.Signer, f.ID, f.Created, f.Expires = string(space), string(signer), string(id), created, expires
	copy(f.Content[:], content)
	f.Audience = audienceHint(get(h, hdrAudience), l.Kind)
	return f, nil
}

// audienceHint reads hdrAudience. It fails closed: without it, or where nobody
// knows the word, it is the document's own space.
func audienceHint(s string, kind vocab.EntryKind) vocab.Audience {
	switch a := vocab.Audience(s); {
	case s == saysNothing || !hasAudience(kind):
		return ""
	case a == vocab.AudiencePublic || a == vocab.AudienceRecognised:
		return a
	}
	return vocab.AudienceSpace
}

// hasAudience reports whether documents of a kind say who may see them.
func hasAudience(k vocab.EntryKind) bool {
	return k == vocab.KindOffering || k == vocab.KindParticipant
}

// stateOf reads what is there of an entry, and why not all.
func stateOf(h nats.Header) (s EntryState, fault string, err error) {
	name := get(h, hdrState)
	if name == "" {
		return Held, "", nil
	}
	why, err := b64.DecodeString(get(h, hdrFault))
	if err == nil {
		s, err = stateNamed(name)
	}
	return s, string(why), err
}

func hintTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}
