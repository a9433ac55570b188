package hub_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"lianmu/federation/exchange"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// A hostile hub signs two large cards with different keys for one log. That stops
// its log where it is mirrored, and nothing else: what that hub has goes on to its
// peers, and they have nothing to complain about.
func TestStandCardsThatContradict(t *testing.T) {
	t.Parallel()
	b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
	befriend(t, b, c)
	b.publish("b1")
	c.finds(1, view.Question{})
	f := newForger(t)
	large := []string{f.server.URL}
	for i := range 7 {
		large = append(large, fmt.Sprintf("http://127.0.0.1:1/%d", i)+strings.Repeat("x", 470))
	}
	f.card = f.says(map[string]any{"address": large})
	f.offers("1", "2")
	b.add(f)
	b.finds(3, view.Question{})
	f.change(func() {
		signer, vkey := logKey(t, f.origin, identitytest.Key(t))
		f.signer, f.card = signer, f.says(map[string]any{"verifierKey": vkey, "address": large})
	})
	f.offers("3")
	b.until("it is stopped", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.State == peering.Stopped && len(l.Evidence) == 2
	})
	b.publish("b2")
	c.finds(2, view.Question{})
	c.until("c has nothing to complain about", func() (string, bool) {
		info, err := c.peers().Detail(t.Context(), security, b.info.DID)
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%+v", info.Link), info.Link.Connected && info.Link.Error == nil
	})
}

// rewritten is a bundle in which whoever carried it says of all documents of these
// digests that they are not for the reader; its sums are right again.
func rewritten(t *testing.T, bundle []byte, hidden map[vocab.Digest]bool) []byte {
	t.Helper()
	const magic, start = "lianmu log bundle 1\n", 9
	out := []byte(magic)
	for rest := bundle[len(magic):]; len(rest) > 0; {
		n := start + binary.BigEndian.Uint32(rest[1:])
		kind, payload := rest[0], rest[start:n]
		rest = rest[n:]
		if kind == 'D' {
			raw, err := unpacking().DecodeAll(payload[12:], nil)
			if err != nil {
				t.Fatal(err)
			}
			var changed []byte
			for len(raw) > 0 {
				m := 5 + binary.BigEndian.Uint32(raw[1:])
				if one := raw[:m]; hidden[vocab.DigestOf(one[5:])] {
					changed = append(changed, byte(exchange.DocumentWithheld), 0, 0, 0, 0)
				} else {
					changed = append(changed, one...)
				}
				raw = raw[m:]
			}
			payload = append(bytes.Clone(payload[:12]), pack(changed)...)
		}
		out = binary.BigEndian.AppendUint32(append(out, kind), uint32(len(payload)))
		out = binary.BigEndian.AppendUint32(out, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
		out = append(out, payload...)
	}
	return out
}

// Whoever carries a bundle takes a withdrawal out of it: that is told at once, and
// the bundle as it was, of the same size, mends it without a network.
func TestStandAlteredBundle(t *testing.T) {
	t.Parallel()
	apart := func(c *hub.Config) { c.Peering.Addresses = []string{"nats://127.0.0.1:1"} }
	a, b := settle(t, "甲", "0a", apart), settle(t, "乙", "0b", apart)
	a.publish("a1", "a2")
	gone, _ := a.must(removal("Withdrawal", "a1"))
	if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: a.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	var right bytes.Buffer
	a.until("it is signed", func() (string, bool) { return "", signed(a) == 3 })
	if err := a.peers().Export(t.Context(), security, &right, a.info.Origin, 0); err != nil {
		t.Fatal(err)
	}
	raw := rewritten(t, right.Bytes(), map[vocab.Digest]bool{vocab.DigestOf(gone): true})
	got, err := b.peers().Import(t.Context(), security, bytes.NewReader(raw))
	if err != nil || got.Entries != 3 || got.Missing != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	b.finds(2, view.Question{})
	if l := b.logOf(a); l.Missing != 1 || l.Withheld != 0 {
		t.Errorf("%+v", l)
	}
	got, err = b.peers().Import(t.Context(), security, bytes.NewReader(right.Bytes()))
	if err != nil || got.Entries != 0 || got.Filled != 1 || got.Missing != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	b.finds(1, view.Question{})
}
