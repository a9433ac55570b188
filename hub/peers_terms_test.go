package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

func code(err error) string {
	if err == nil {
		return ""
	}
	return vocab.ProblemsOf(err, "other")[0].Code
}

// A hub outside the mainland is no peer without a recorded ground, whichever way
// it comes.
func TestOutbound(t *testing.T) {
	t.Parallel()
	a := settle(t, "甲", "0a")
	abroad := settle(t, "外", "0e", func(c *hub.Config) { c.Peering.Jurisdiction = "SG" })
	a.publish("a1")
	card := abroad.peers().Card()
	preview, err := a.peers().Preview(t.Context(), security, card)
	if err != nil || !preview.Outbound || len(preview.Notes) == 0 {
		t.Errorf("%+v, %v", preview, err)
	}
	if _, err := a.peers().Add(t.Context(), security, peering.Invite{Card: card}, peering.Terms{}); code(err) != "peer.outbound" {
		t.Errorf("without a ground: %v", err)
	}
	if _, err := abroad.peers().Add(t.Context(), security, peering.Invite{Card: a.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	a.until("it waits", func() (string, bool) {
		p, err := a.peers().Detail(t.Context(), security, abroad.info.DID)
		return fmt.Sprint(err), err == nil && p.State == peering.Waiting
	})
	if _, err := a.peers().Approve(t.Context(), security, abroad.info.DID, peering.Terms{}); code(err) != "peer.outbound" {
		t.Errorf("from the waiting list without a ground: %v", err)
	}
	info, err := a.peers().Approve(t.Context(), security, abroad.info.DID, peering.Terms{Outbound: "出境评估 2026-17 号"})
	if err != nil || info.Outbound == nil || info.Outbound.Reason != "出境评估 2026-17 号" || info.Outbound.By != security.DID {
		t.Fatalf("%+v, %v", info, err)
	}
	abroad.finds(1, view.Question{})
}

// Who may not manage peers cannot, and it is on record.
func TestPeerRights(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	card := b.peers().Card()
	for _, role := range []access.Role{access.System, access.Audit, access.Review, access.Regulator, access.Space, access.Anonymous} {
		who := access.Who{DID: "did:key:zSomebody", Via: access.ViaToken, Roles: []access.Role{role}}
		_, err := a.peers().Add(t.Context(), who, peering.Invite{Card: card}, peering.Terms{})
		if code(err) != "access.forbidden" {
			t.Errorf("%s adds a peer: %v", role, err)
		}
		for name, err := range map[string]error{
			"approve": second(a.peers().Approve(t.Context(), who, b.info.DID, peering.Terms{})),
			"pause":   a.peers().Pause(t.Context(), who, b.info.DID), "resume": a.peers().Resume(t.Context(), who, b.info.DID),
			"block": a.peers().Block(t.Context(), who, b.info.DID), "remove": a.peers().Remove(t.Context(), who, b.info.DID, true),
			"accept": a.peers().Accept(t.Context(), who, b.info.Origin), "export": a.peers().Export(t.Context(), who, &bytes.Buffer{}, a.info.Origin, 0),
			"import": second(a.peers().Import(t.Context(), who, strings.NewReader(""))),
		} {
			if code(err) != "access.forbidden" {
				t.Errorf("%s may %s: %v", role, name, err)
			}
		}
		_, err = a.peers().List(t.Context(), who)
		if may := role != access.Space && role != access.Anonymous; may != (err == nil) {
			t.Errorf("%s lists: %v", role, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A blocked hub gets nothing, and is not even on the waiting list again.
func TestBlocked(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: a.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	a.until("it waits", func() (string, bool) {
		list, _ := a.peers().List(t.Context(), security)
		return "", len(list) == 1
	})
	if err := a.peers().Block(t.Context(), security, b.info.DID); err != nil {
		t.Fatal(err)
	}
	_, err := a.peers().Answer(t.Context(), peering.Caller{DID: b.info.DID}, "checkpoint", []byte(`{"origin":"`+a.info.Origin+`"}`))
	if code(err) != "peer.blocked" {
		t.Errorf("%v", err)
	}
	a.until("a stranger gets a checkpoint", func() (string, bool) { return "", signed(a) == 1 })
	if _, err := a.peers().Answer(t.Context(), peering.Caller{}, "checkpoint", nil); code(err) != "access.unauthenticated" {
		t.Errorf("without a key: %v", err)
	}
}

// 重要数据 that would be public but for that leaves to whom it was approved for,
// and goes no further; what is hidden for another reason never leaves.
func TestImportantData(t *testing.T) {
	t.Parallel()
	a, b, c := settle(t, "甲", "0a"), settle(t, "乙", "0b"), settle(t, "丙", "0c")
	a.must(offering("open", "公开的产品", `"securityLevel":"001"`))
	a.must(offering("important", "重要的产品", `"securityLevel":"001"`, `"importance":"重要"`))
	a.must(offering("inside", "内部的产品", `"securityLevel":"002"`))
	a.must(offering("both", "内部且重要", `"securityLevel":"002"`, `"importance":"重要"`))
	befriend(t, a, b)
	b.finds(1, view.Question{})
	b.until("three are withheld", func() (string, bool) { l := b.logOf(a); return fmt.Sprint(l.Withheld), l.Withheld == 3 && l.Size == 4 })
	befriend(t, b, c, peering.Terms{Relays: true})
	c.until("C has the log", func() (string, bool) { l := c.logOf(a); return fmt.Sprint(l.Size), l.Size == 4 })
	if _, err := a.peers().Approve(t.Context(), security, b.info.DID, peering.Terms{Important: "协议第 7 条"}); err != nil {
		t.Fatal(err)
	}
	a.must(offering("important2", "后来的重要产品", `"importance":"重要"`))
	b.until("the new one came with its document", func() (string, bool) {
		l := b.logOf(a)
		return fmt.Sprintf("%d withheld of %d", l.Withheld, l.Size), l.Size == 5 && l.Withheld <= 3
	})
	c.until("C has its leaf record", func() (string, bool) { l := c.logOf(a); return fmt.Sprint(l.Size), l.Size == 5 })
	if l := c.logOf(a); l.Withheld+l.Missing != 4 {
		t.Errorf("C has %d withheld and %d missing of 5", l.Withheld, l.Missing)
	}
	if a, err := b.hub.Find(t.Context(), view.Question{}); err != nil || a.Total != 1 {
		t.Errorf("the public of B finds %d, %v", a.Total, err)
	}
}

// What the origin redacts leaves its mirrors, and the origin hears of it.
func TestRedactionReachesMirrors(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2")
	befriend(t, a, b)
	b.finds(2, view.Question{})
	if _, err := a.hub.Redact(t.Context(), []hub.RedactRequest{{Index: 0, Ground: "authority"}}, "did:key:zOfficer", ""); err != nil {
		t.Fatal(err)
	}
	b.finds(1, view.Question{})
	b.until("the redaction was carried out", func() (string, bool) {
		l := b.logOf(a)
		return fmt.Sprintf("%+v", l), l.Redacted == 1 && l.Missing == 0
	})
	a.until("A hears of it", func() (string, bool) {
		by, err := a.peers().RedactedBy(t.Context(), security)
		return fmt.Sprint(by, err), by[b.info.DID] == 1
	})
}

// A store that was rolled back and signs another history is found out, by the
// mirror and by the hub itself when it sees what the mirror has.
func TestContradiction(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	a.close()
	former := t.TempDir()
	if err := os.CopyFS(former, os.DirFS(a.config.Dir)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"hub.key", "log.key"} { // CopyFS opens up what it copies
		if err := os.Chmod(former+"/"+key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.open(t)
	befriend(t, a, b)
	a.publish("a2", "a3")
	b.finds(3, view.Question{})
	a.close()
	a.config.Dir = former
	a.open(t)
	a.publish("x2", "x3", "x4")
	b.inState(a, peering.Stopped)
	l := b.logOf(a)
	if l.Why == nil || len(l.Evidence) != 2 {
		t.Fatalf("%+v", l)
	}
	for _, note := range l.Evidence {
		if _, err := ledger.ParseCheckpoint(note, key(t, a)); err != nil {
			t.Errorf("evidence: %v: %s", err, note)
		}
	}
	b.finds(3, view.Question{}) // what was copied stays
	if err := b.peers().Accept(t.Context(), security, a.info.Origin); err != nil {
		t.Fatal(err)
	}
	b.inState(a, peering.Stopped) // it contradicts itself still
}

// key is the verifier key of a hub's log.
func key(t *testing.T, w *town) string {
	t.Helper()
	var info struct {
		VerifierKey string `json:"verifier_key"`
	}
	if status := w.get("/api/v1/log", &info); status != 200 {
		t.Fatalf("status %d", status)
	}
	return info.VerifierKey
}

// A log crosses in a file between hubs that cannot reach each other, and is taken
// in again and again without harm.
func TestBundle(t *testing.T) {
	t.Parallel()
	apart := func(c *hub.Config) { c.Peering.Addresses = []string{"nats://127.0.0.1:1"} }
	a, b := settle(t, "甲", "0a", apart), settle(t, "乙", "0b", apart)
	a.publish("a1", "a2")
	var first bytes.Buffer
	a.until("it is exported", func() (string, bool) { // the last entries are signed within a second
		first.Reset()
		if signed(a) < 2 {
			return "not signed", false
		}
		err := a.peers().Export(t.Context(), security, &first, a.info.Origin, 0)
		return fmt.Sprint(err), err == nil
	})
	if _, err := b.peers().Import(t.Context(), security, bytes.NewReader(first.Bytes())); code(err) != "peer.unknown" {
		t.Errorf("of a stranger: %v", err)
	}
	if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: a.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := b.peers().Import(t.Context(), security, bytes.NewReader(first.Bytes()))
		if err != nil || got.Size != 2 || got.Hub != a.info.DID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	b.finds(2, view.Question{})
	a.publish("a3")
	a.until("it is signed", func() (string, bool) { return "", signed(a) == 3 })
	var more bytes.Buffer
	if err := a.peers().Export(t.Context(), security, &more, a.info.Origin, 2); err != nil {
		t.Fatal(err)
	}
	half := more.Bytes()[:more.Len()/2]
	if _, err := b.peers().Import(t.Context(), security, bytes.NewReader(half)); err == nil {
		t.Error("half a bundle was taken for a whole one")
	}
	if got, err := b.peers().Import(t.Context(), security, &more); err != nil || got.Size != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	b.finds(3, view.Question{})
}

// signed is how many entries the hub's last checkpoint covers.
func signed(w *town) uint64 {
	w.t.Helper()
	time.Sleep(20 * time.Millisecond)
	answer, err := w.peers().Answer(w.t.Context(), peering.Caller{DID: "did:key:zStranger"}, "checkpoint", []byte(`{"origin":"`+w.info.Origin+`"}`))
	if err != nil {
		return 0
	}
	var n uint64
	_, _ = fmt.Sscanf(strings.Split(string(answer), "\n")[1], "%d", &n) // 0 where it is none
	return n
}

// A hub that begins a new epoch is shown, and copied once an officer accepts it;
// then the new log takes the place of the former one.
func TestNewEpochOfAPeer(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2")
	befriend(t, a, b)
	b.finds(2, view.Question{})
	former := a.info.Origin
	a.close()
	if _, _, err := hub.NewEpoch(t.Context(), a.config); err != nil {
		t.Fatal(err)
	}
	a.open(t)
	if a.info.Origin == former {
		t.Fatal("no new epoch")
	}
	a.publish("a3")
	b.inState(a, peering.Offered)
	if got, err := b.hub.Find(t.Context(), view.Question{}); err != nil || got.Total != 2 {
		t.Errorf("before anybody accepts it %d are found, %v", got.Total, err)
	}
	if err := b.peers().Accept(t.Context(), security, a.info.Origin); err != nil {
		t.Fatal(err)
	}
	b.inState(a, peering.Current)
	answer := b.finds(3, view.Question{})
	for _, c := range answer.Coverage {
		if c.Hub == former {
			t.Errorf("the former log is still shown: %+v", c)
		}
	}
	if err := b.peers().Accept(t.Context(), security, a.info.Origin); code(err) != "peer.log" {
		t.Errorf("accepted twice: %v", err)
	}
}

// Of the hubs that ask to be peers, the one that has waited longest makes room.
func TestWaitingListIsBounded(t *testing.T) {
	t.Parallel()
	var hours clock
	a := settle(t, "甲", "0a", hours.set)
	ask := func(k *identity.Key, card []byte) error {
		q, err := json.Marshal(map[string]any{"card": string(card)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.peers().Answer(t.Context(), peering.Caller{DID: k.DID()}, "logs", q)
		return err
	}
	var dids []string
	for i := range 105 {
		k := identitytest.Key(t)
		dids = append(dids, k.DID())
		if err := ask(k, stranger(t, k, hours.now())); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		hours.pass(10 * time.Second)
	}
	list, err := a.peers().List(t.Context(), security)
	if err != nil || len(list) != 100 {
		t.Fatalf("%d wait, %v", len(list), err)
	}
	if list[0].DID != dids[5] || list[99].DID != dids[104] {
		t.Error("others than those that waited longest made room")
	}
	// A flood of new keys turns the list over slowly.
	for range 60 {
		k := identitytest.Key(t)
		if err := ask(k, stranger(t, k, hours.now())); err != nil {
			t.Fatal(err)
		}
	}
	list, _ = a.peers().List(t.Context(), security)
	kept := 0
	for _, p := range list {
		if slices.Contains(dids, p.DID) {
			kept++
		}
	}
	if kept < 70 {
		t.Errorf("60 new keys left %d of 100 on the list", kept)
	}
	// Nobody brings another's card.
	hours.pass(time.Hour)
	if err := ask(identitytest.Key(t), stranger(t, identitytest.Key(t), hours.now())); code(err) != "peer.card" {
		t.Errorf("another's card: %v", err)
	}
}

// stranger is the log card of a hub that does not run.
func stranger(t *testing.T, k *identity.Key, now time.Time) []byte {
	t.Helper()
	origin := "lianmu/" + strings.TrimPrefix(k.DID(), "did:key:") + "/1"
	log, err := identity.PublicKey(identitytest.Key(t).DID())
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, log)
	if err != nil {
		t.Fatal(err)
	}
	doc := fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Log","@id":"urn:uuid:6a4c1f0e-7c7e-4d0e-9c56-0d6c5b8f7a10","origin":%q,"hub":%q,"verifierKey":%q,"epoch":1,"name":{"zh":"生"},"jurisdiction":"CN"}`,
		origin, k.DID(), vkey)
	return identitytest.Sign(t, doc, k, identity.SignOptions{Created: now})
}
