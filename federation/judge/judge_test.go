package judge

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

type m = map[string]any

// world is a closed hub with a real log, whose entries are judged as they come.
type world struct {
	*Judge
	t    *testing.T
	bus  *bus.Bus
	log  *ledger.Log
	hub  *identity.Key
	at   time.Time
	tmp  string
	keys map[string]*identity.Key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), tmp: t.TempDir(), keys: map[string]*identity.Key{}}
	logger := slog.New(slog.DiscardHandler)
	var err error
	w.bus, err = bus.Start(t.Context(), bus.Config{Dir: filepath.Join(w.tmp, "js"), Listen: "", Logger: logger})
	w.must(err)
	t.Cleanup(func() { _ = w.bus.Stop(context.Background()) })
	w.hub = w.key("hub")
	w.log, err = ledger.Open(t.Context(), ledger.Config{
		JetStream: w.bus.JetStream, Stream: bus.LogStream, State: w.bus.State(), Dir: filepath.Join(w.tmp, "log"),
		Origin: "hub.example", Seed: bytes.Repeat([]byte{1}, ed25519.SeedSize), Now: func() time.Time { return w.at }, Logger: logger,
	})
	w.must(err)
	t.Cleanup(func() { _ = w.log.Close(context.Background()) })
	w.Judge = w.judge()
	return w
}

// judge is one that has read nothing.
func (w *world) judge() *Judge {
	w.t.Helper()
	reader, err := shape.NewReader()
	w.must(err)
	return New(jsonld.New(jsonld.Limits{}), reader, w.hub.DID(), 0)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) key(name string) *identity.Key {
	w.t.Helper()
	if w.keys[name] == nil {
		k, err := identity.NewKey("ed25519")
		w.must(err)
		w.keys[name] = k
	}
	return w.keys[name]
}

func (w *world) did(name string) string { return w.key(name).DID() }

// sign signs a document of our context with the first of the keys, and the others
// beside it.
func (w *world) sign(members m, keys ...string) []byte {
	w.t.Helper()
	w.at = w.at.Add(time.Minute)
	members["@context"] = "https://w3id.org/lianmu/v1"
	raw, err := json.Marshal(members)
	w.must(err)
	var also []identity.Signer
	for _, k := range keys[1:] {
		also = append(also, w.key(k))
	}
	raw, err = identity.Sign(raw, w.key(keys[0]), identity.SignOptions{Created: w.at}, also...)
	w.must(err)
	return raw
}

// put judges a document as the next entry and, if it may stand, appends it.
func (w *world) put(members m, keys ...string) error {
	w.t.Helper()
	raw := w.sign(members, keys...)
	index := w.log.Size()
	kind := kindOf(members)
	leaf := ledger.NewLeaf(kind, w.at, raw)
	r, err := w.Read(w.t.Context(), leaf, raw)
	if err != nil {
		return err
	}
	f, err := w.Stand(index, leaf, r)
	if err != nil {
		return err
	}
	_, err = w.log.Append(w.t.Context(), index, []ledger.Entry{{Document: raw, Fact: f}})
	w.must(err)
	w.Apply(index, leaf, f, r)
	return nil
}

func (w *world) puts(members m, keys ...string) {
	w.t.Helper()
	w.must(w.put(members, keys...))
}

func kindOf(members m) vocab.EntryKind {
	switch members["@type"] {
	case "Space":
		return vocab.KindSpace
	case "Participant":
		return vocab.KindParticipant
	case "ListingConsent":
		return vocab.KindConsent
	case "Withdrawal":
		return vocab.KindWithdrawal
	case "Redaction":
		return vocab.KindRedaction
	case "DataProduct":
		return vocab.KindOffering
	}
	return vocab.KindAct
}

func product(id string, more ...any) m {
	d := m{"@type": "DataProduct", "@id": "https://space.example/" + id, "title": "产品"}
	for i := 0; i < len(more); i += 2 {
		d[more[i].(string)] = more[i+1]
	}
	return d
}

// consent is one of the organisation that w's participant is, who signs it beside
// the space with a key of this name; "": it does not name one.
func (w *world) consent(id, holder string) m {
	d := m{"@type": "ListingConsent", "@id": "https://space.example/" + id, "subjectCode": "91512081MA62K0260E", "productCode": "691512081MA62K0260E31000000000A*", "space": w.did("B")}
	if holder != "" {
		d["did"] = w.did(holder)
	}
	return d
}

func (w *world) act(verb, space string, more ...any) m {
	d := m{"@type": verb, "@id": fmt.Sprintf("urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-%012d", w.log.Size()), "space": w.did(space), "by": "x", "reason": "r"}
	for i := 0; i < len(more); i += 2 {
		d[more[i].(string)] = more[i+1]
	}
	return d
}

func (w *world) space(name string, keys ...string) m {
	dids := []string{}
	for _, k := range keys {
		dids = append(dids, w.did(k))
	}
	return m{"@type": "Space", "@id": w.did(name), "name": m{"zh": "某空间"}, "key": dids, "defaultAudience": "public", "hub": w.hub.DID()}
}

// redaction is what the hub writes when the body of an entry goes.
func (w *world) redaction(index uint64) m {
	rec, err := w.log.Get(w.t.Context(), index)
	w.must(err)
	d, ok := w.Registry().Remains(index, rec.Fact)
	if !ok {
		w.t.Fatalf("entry %d cannot be redacted", index)
	}
	out := m{"@type": "Redaction", "@id": "urn:uuid:1f3c2f6e-4f0a-4c56-9d7b-000000000001", "index": index, "leaf": b64(rec.Leaf.Bytes()), "ground": "personal", "by": "x", "space": d.Space, "created": d.Created.Format(time.RFC3339Nano)}
	for name, v := range map[string]string{"signer": d.Signer, "audience": string(d.Audience), "hub": d.Hub} {
		if v != "" {
			out[name] = v
		}
	}
	if len(d.Keys) > 0 {
		out["keys"] = d.Keys
	}
	if d.Key != (vocab.Key{}) {
		out["offeringKey"], out["contentDigest"] = d.Key.String(), d.Content.String()
	}
	return out
}

// state is what a registry answers of its spaces and what is shown.
func state(r *registry.Registry, w *world) string {
	digest, n := r.Digest(w.at)
	out := fmt.Sprintf("%d entries, %d shown, %s, public %v", r.Position(), n, digest, r.PublicBefore(vocab.KeyOf(w.did("A"), "https://space.example/a"), 1<<60))
	for _, c := range registry.NewUnion(r).Consents(w.at) {
		out += fmt.Sprintf("\nconsent %+v", *c.Consent)
	}
	for _, s := range r.Spaces() {
		s.Log, s.Space.Name = "", nil
		out += fmt.Sprintf("\n%+v %v", s, r.ParticipantsOf(s.Space.DID))
	}
	return out
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return vocab.ProblemsOf(err, "?")[0].Code
}

// Each row is the next entry of one log; code is why it may not stand, "" where
// it may.
func TestRights(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		name    string
		members m
		keys    []string
		code    string
	}{
		{"an offering before admission", product("a"), []string{"A"}, "space.unadmitted"},
		{"a descriptor before admission", w.space("A", "A"), []string{"A"}, "space.unadmitted"},
		{"an admission by oneself", w.act("Admission", "A"), []string{"A"}, "kind.reserved"},
		{"an admission", w.act("Admission", "A"), []string{"hub"}, ""},
		{"a key that has not signed", w.space("A", "A", "K"), []string{"A"}, "key.unproven"},
		{"another's descriptor", w.space("B", "B"), []string{"A"}, "space.other"},
		{"its descriptor", w.space("A", "A", "K"), []string{"A", "K"}, ""},
		{"an offering", product("a"), []string{"A"}, ""},
		{"with its second key", product("b"), []string{"K"}, ""},
		{"a consent", w.consent("k", ""), []string{"K"}, ""},
		{"a consent that its holder has signed", w.consent("k", "H"), []string{"K", "H"}, ""},
		{"one that he has not", w.consent("l", "H"), []string{"K"}, "consent.unsigned"},
		{"one that another has", w.consent("l", "H"), []string{"K", "L"}, "consent.unsigned"},
		{"one that he alone has", w.consent("l", "H"), []string{"H"}, "consent.unsigned"},
		{"a stranger's consent", w.consent("l", "H"), []string{"H", "H"}, "space.unadmitted"},
		{"a stranger's", product("a"), []string{"B"}, "space.unadmitted"},
		{"the hub's own", product("a"), []string{"hub"}, "key.hub"},
		{"a suspension by another", w.act("Suspension", "A"), []string{"B"}, "kind.reserved"},
		{"the first key retired", w.space("A", "K"), []string{"K"}, ""},
		{"a retired key", product("c"), []string{"A"}, "key.retired"},
		{"suspended", w.act("Suspension", "A"), []string{"hub"}, ""},
		{"while suspended", product("d"), []string{"K"}, "space.suspended"},
		{"resumed", w.act("Resumption", "A"), []string{"hub"}, ""},
		{"another version", product("b"), []string{"K"}, ""},
	} {
		err := w.put(row.members, row.keys...)
		if code(err) != row.code {
			t.Errorf("%s: %v, want %q", row.name, err, row.code)
		}
	}
	if _, n := w.Registry().Digest(w.at); n != 2 {
		t.Errorf("%d offerings stand", n)
	}
}

func TestReadRefuses(t *testing.T) {
	w := newWorld(t)
	raw := w.sign(product("a"), "A")
	good := ledger.NewLeaf(vocab.KindOffering, w.at, raw)
	untitled := w.sign(m{"@type": "DataProduct", "@id": "https://space.example/u"}, "A")
	secret := w.sign(product("b", "securityLevel", "绝密"), "A")
	number := w.sign(m{"@type": "Participant", "@id": "https://space.example/p", "name": "张三13800138000"}, "A")
	of := func(kind vocab.EntryKind, document []byte) func(*ledger.Leaf) {
		return func(l *ledger.Leaf) { *l = ledger.NewLeaf(kind, w.at, document) }
	}
	for name, c := range map[string]struct {
		leaf func(*ledger.Leaf)
		raw  []byte
		code string
		kept bool // as evidence
	}{
		"as it is":                        {func(*ledger.Leaf) {}, raw, "", true},
		"of another document":             {func(l *ledger.Leaf) { l.SHA256[0]++ }, raw, "entry.digest", true},
		"of another kind":                 {func(l *ledger.Leaf) { l.Kind = vocab.KindSpace }, raw, "entry.kind", true},
		"of a kind that nobody knows yet": {func(l *ledger.Leaf) { l.Kind = 99 }, raw, "entry.kind", true},
		"received before it was signed":   {func(l *ledger.Leaf) { l.ReceivedAt = l.ReceivedAt.Add(-time.Hour) }, raw, "proof.created", true},
		"changed":                         {func(*ledger.Leaf) {}, bytes.Replace(raw, []byte("产品"), []byte("商品"), 1), "proof.invalid", true},
		"not JSON":                        {func(*ledger.Leaf) {}, []byte("{"), "json.syntax", false},
		"without a title":                 {of(vocab.KindOffering, untitled), untitled, "title.missing", true},
		"classified":                      {of(vocab.KindOffering, secret), secret, "level.forbidden", false},
		"classified, and changed":         {func(*ledger.Leaf) {}, bytes.Replace(secret, []byte("产品"), []byte("商品"), 1), "level.forbidden", false},
		"about a person":                  {of(vocab.KindParticipant, number), number, "participant.personal", false},
	} {
		leaf := good
		c.leaf(&leaf)
		r, err := w.Read(t.Context(), leaf, c.raw)
		if (err == nil) != (c.code == "") || (r != nil) != c.kept || c.code != "" && !strings.HasPrefix(code(err), strings.SplitAfter(c.code, ".")[0]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever reads the log later, whole or from what is kept of it, with bodies
// that have been deleted since, comes to the same.
func TestSameForAll(t *testing.T) {
	w := newWorld(t)
	w.puts(w.act("Admission", "A"), "hub")
	w.puts(w.space("A", "A", "K", "L"), "A", "K", "L")                                                                                              // 1
	w.puts(product("a"), "K")                                                                                                                       // 2
	w.puts(product("b", "audience", "space"), "A")                                                                                                  // 3
	w.puts(m{"@type": "Participant", "@id": "https://space.example/p", "subjectCode": "91512081MA62K0260E", "name": "某公司", "did": w.did("H")}, "L") // 4
	w.puts(product("c"), "L")                                                                                                                       // 5
	w.puts(w.space("A", "A", "K"), "K")                                                                                                             // 6
	w.puts(w.consent("x", "H"), "K", "H")                                                                                                           // 7
	w.puts(w.consent("y", "H"), "A", "H")                                                                                                           // 8
	w.puts(w.redaction(1), "hub")
	w.must(w.log.Redact(t.Context(), 1))
	w.puts(w.redaction(5), "hub")
	w.must(w.log.Redact(t.Context(), 5))
	w.puts(w.consent("z", "H"), "A", "H") // 11
	w.puts(w.redaction(11), "hub")
	w.must(w.log.Redact(t.Context(), 11))
	w.puts(w.act("KeyCompromise", "A", "key", w.did("K"), "from", 6), "hub")
	w.puts(m{"@type": "Withdrawal", "@id": "https://space.example/a"}, "A")
	want := state(w.Registry(), w)
	if n := strings.Count(want, "\nconsent"); n != 1 {
		t.Fatalf("%d consents are in force", n)
	}

	kept := w.judge()
	w.must(kept.Restore(t.Context(), w.log))
	if got := state(kept.Registry(), w); got != want {
		t.Errorf("from what is kept:\n%s\n%s", got, want)
	}
	if kept.Registry().Origin() != "hub.example" {
		t.Errorf("of the log %q", kept.Registry().Origin())
	}
	w.must(kept.Restore(t.Context(), w.log)) // nothing new
	if _, err := kept.Late(t.Context(), w.log, nil); err != nil || state(kept.Registry(), w) != want {
		t.Errorf("anew: %v\n%s", err, state(kept.Registry(), w))
	}

	// By the documents, as a mirror or a verifier reads them.
	anew := w.judge()
	for rec, err := range w.log.Read(t.Context(), 0, w.log.Size()) {
		w.must(err)
		var r *Read
		f := vocab.Fact{}
		if by, ok := w.log.RedactedBy(rec.Index); ok {
			redaction, err := w.log.Get(t.Context(), by)
			w.must(err)
			r, err = anew.Read(t.Context(), redaction.Leaf, redaction.Document)
			w.must(err)
		} else {
			r, err = anew.Read(t.Context(), rec.Leaf, rec.Document)
			w.must(err)
			f, err = anew.Stand(rec.Index, rec.Leaf, r)
			if err != nil || !reflect.DeepEqual(f, rec.Fact) {
				t.Fatalf("entry %d: %v\n%+v\n%+v", rec.Index, err, f, rec.Fact)
			}
		}
		anew.Apply(rec.Index, rec.Leaf, f, r)
	}
	if got := state(anew.Registry(), w); got != want {
		t.Errorf("by the documents:\n%s\n%s", got, want)
	}
}

// A redaction that the hub has not signed, or of another entry, tells nothing of
// a descriptor that is gone.
func TestFalseRedaction(t *testing.T) {
	w := newWorld(t)
	w.puts(w.act("Admission", "A"), "hub")
	w.puts(w.space("A", "A", "K"), "A", "K")
	rec, err := w.log.Get(t.Context(), 1)
	w.must(err)
	for name, c := range map[string]struct {
		index uint64
		key   string
		known bool
	}{"as it is": {1, "hub", true}, "signed by another": {1, "B", false}, "of another entry": {7, "hub", false}} {
		d := w.redaction(1)
		d["index"] = c.index
		raw := w.sign(d, c.key)
		r, err := w.Read(t.Context(), ledger.NewLeaf(vocab.KindRedaction, w.at, raw), raw)
		w.must(err)
		j := w.judge()
		j.Apply(1, rec.Leaf, vocab.Fact{}, r)
		if got := j.Registry().SpaceOf(w.did("K")) == w.did("A"); got != c.known {
			t.Errorf("%s: the key is known as the space's: %v", name, got)
		}
		if _, err := j.ReadRedaction(t.Context(), w.at, raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.ReadRedaction(t.Context(), w.at, rec.Document); err == nil {
		t.Error("a descriptor is taken for a redaction")
	}
}

// What comes late is judged by what was right in its place, and then all is as if
// it had come in time.
func TestLate(t *testing.T) {
	w := newWorld(t)
	w.puts(w.act("Admission", "A"), "hub")         // 0
	w.puts(w.space("A", "A", "K"), "A", "K")       // 1
	w.puts(product("a", "audience", "space"), "K") // 2: comes late
	w.puts(product("b"), "A")                      // 3
	w.puts(w.space("A", "A"), "A")                 // 4: K is retired
	w.puts(w.act("Suspension", "A"), "hub")        // 5
	w.puts(w.act("Resumption", "A"), "hub")        // 6
	w.puts(product("c"), "A")                      // 7: comes late too
	want := state(w.Registry(), w)
	forged := w.sign(product("c"), "B")

	stream, err := w.bus.MirrorStream(t.Context(), "hub.example")
	w.must(err)
	mirror, err := ledger.OpenMirror(t.Context(), ledger.Config{
		JetStream: w.bus.JetStream, Stream: stream, State: w.bus.State(), Dir: filepath.Join(w.tmp, "mirror"), Origin: "hub.example",
		VerifierKey: w.log.VerifierKey(), Now: func() time.Time { return w.at }, Logger: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	defer func() { _ = mirror.Close(context.Background()) }()
	j := w.judge()
	late := map[uint64]*Read{}
	var entries []ledger.Mirrored
	var leaf7 ledger.Leaf
	for rec, err := range w.log.Read(t.Context(), 0, w.log.Size()) {
		w.must(err)
		r, err := j.Read(t.Context(), rec.Leaf, rec.Document)
		w.must(err)
		e := ledger.Mirrored{Leaf: rec.Leaf, Fact: vocab.Fact{Kind: rec.Leaf.Kind, Digest: rec.Leaf.SHA256}, State: ledger.Withheld}
		if rec.Index == 2 || rec.Index == 7 {
			late[rec.Index], leaf7 = r, rec.Leaf
			j.Apply(rec.Index, rec.Leaf, vocab.Fact{}, nil)
		} else {
			e.State, e.Document = ledger.Held, rec.Document
			e.Fact, err = j.Stand(rec.Index, rec.Leaf, r)
			w.must(err)
			j.Apply(rec.Index, rec.Leaf, e.Fact, r)
		}
		entries = append(entries, e)
	}
	w.must(mirror.Extend(t.Context(), 0, entries))
	if state(j.Registry(), w) == want {
		t.Fatal("nothing was lacking")
	}
	same := j.Registry()
	// By what is right now, the first would be of a retired key.
	if _, err := j.Stand(8, leaf7, late[2]); code(err) != "key.retired" {
		t.Errorf("now: %v", err)
	}
	late[3], late[99] = late[2], late[2] // one that is there, and one that is not
	bad, err := j.Read(t.Context(), ledger.NewLeaf(vocab.KindOffering, w.at, forged), forged)
	w.must(err)
	verdicts, err := j.Late(t.Context(), mirror, map[uint64]*Read{2: bad})
	if err != nil || code(verdicts[2].Err) != "space.unadmitted" {
		t.Errorf("%+v, %v", verdicts, err)
	}
	verdicts, err = j.Late(t.Context(), mirror, late)
	if err != nil || len(verdicts) != 2 || verdicts[2].Err != nil || verdicts[7].Err != nil || verdicts[2].Fact.Signer != w.did("K") {
		t.Fatalf("%+v, %v", verdicts, err)
	}
	if got := state(j.Registry(), w); got != want || j.Registry() != same {
		t.Errorf("\n%s\n%s", got, want)
	}
	for i, v := range verdicts {
		rec, err := w.log.Get(t.Context(), i)
		w.must(err)
		w.must(mirror.Fill(t.Context(), i, ledger.Mirrored{Leaf: rec.Leaf, Fact: v.Fact, Document: rec.Document, State: ledger.Held}))
	}
	again := w.judge()
	w.must(again.Restore(t.Context(), mirror))
	if got := state(again.Registry(), w); got != want {
		t.Errorf("restored\n%s\n%s", got, want)
	}
	// What the hub goes on to write is judged as before.
	if err := w.put(product("d"), "K"); code(err) != "key.retired" || slices.Contains(w.Registry().SignedSince(w.did("K"), 0), 8) {
		t.Errorf("%v", err)
	}
}

// The log of a hub that was open is judged by when it was closed.
func TestOpenUntil(t *testing.T) {
	w := newWorld(t)
	reader, err := shape.NewReader()
	w.must(err)
	j := New(jsonld.New(jsonld.Limits{}), reader, w.hub.DID(), (&vocab.LogCard{OpenUntil: 1}).AdmittedUntil())
	raw := w.sign(product("a"), "A")
	leaf := ledger.NewLeaf(vocab.KindOffering, w.at, raw)
	r, err := j.Read(t.Context(), leaf, raw)
	w.must(err)
	f, err := j.Stand(0, leaf, r)
	w.must(err)
	j.Apply(0, leaf, f, r)
	if _, err := j.Stand(1, leaf, r); code(err) != "space.unadmitted" {
		t.Errorf("%v", err)
	}
	if _, err := j.Stand(40, leaf, r); code(err) != "space.unadmitted" || j.Registry().Position() != 40 {
		t.Errorf("entry 40: %v at %d", err, j.Registry().Position())
	}
	if fact := FactOf(r); fact.Space != w.did("A") || fact.Audience != "" {
		t.Errorf("%+v", fact)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
