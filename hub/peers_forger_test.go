package hub_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/exchange"
	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// forger is a hub whose operator bends it to his will: it holds real keys and real
// trees, signs what it likes, and answers the questions of peers over HTTP.
type forger struct {
	t            *testing.T
	key, space   *identity.Key // hub.key; a space that publishes to it
	origin, vkey string
	signer       note.Signer
	server       *httptest.Server
	card         []byte

	mu    sync.Mutex
	news  chan struct{}     // closed when something changes
	tree  *pages            // what it shows
	shows map[string]*pages // what it shows to a hub with this DID instead
	extra []offered         // logs of others that it offers
	ill   map[string]ill    // by question
	asked map[string]int    // how often each question came
	conns map[net.Conn]bool
	most  int // connections at once
}

// ill is a way to answer wrongly; right makes the right answer.
type ill func(w http.ResponseWriter, r *http.Request, right func() []byte)

// pages is one history of a log.
type pages struct {
	leaves    []byte
	hashes    []tlog.Hash
	documents map[vocab.Digest][]byte // nil: withheld
	at        time.Time               // of the last entry
	signed    time.Time               // in the checkpoint; zero: a second after the last entry
}

// offered is a log as an answer lists it.
type offered struct {
	Card       string `json:"card"`
	Checkpoint string `json:"checkpoint"`
	Own        bool   `json:"own,omitzero"`
}

func newForger(t *testing.T) *forger {
	t.Helper()
	f := &forger{t: t, key: identitytest.Key(t), space: identitytest.Key(t), news: make(chan struct{}), shows: map[string]*pages{}, ill: map[string]ill{}, asked: map[string]int{},
		tree:  &pages{documents: map[vocab.Digest][]byte{}, at: time.Now().Add(-time.Hour)},
		conns: map[net.Conn]bool{}}
	f.origin = "lianmu/" + strings.TrimPrefix(f.key.DID(), "did:key:") + "/1"
	f.signer, f.vkey = logKey(t, f.origin, identitytest.Key(t))
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ConnState = f.connected
	f.server.Start()
	t.Cleanup(func() { f.server.CloseClientConnections(); f.server.Close() })
	f.card = f.says(nil)
	return f
}

// logKey makes the note signer and verifier key of a log.
func logKey(t *testing.T, origin string, key *identity.Key) (note.Signer, string) {
	t.Helper()
	pub := append([]byte{1}, ed25519.NewKeyFromSeed(key.Seed()).Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(origin+"\n"), pub...))
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, binary.BigEndian.Uint32(sum[:4]),
		base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...))))
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, pub[1:])
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

// says signs a log card of its own; change bends it.
func (f *forger) says(change map[string]any) []byte {
	f.t.Helper()
	return f.said(time.Now(), change)
}

// said is what it would have signed then.
func (f *forger) said(at time.Time, change map[string]any) []byte {
	f.t.Helper()
	card := map[string]any{"@context": "https://w3id.org/lianmu/v1", "@type": "Log", "@id": "urn:uuid:6a4c1f0e-7c7e-4d0e-9c56-0d6c5b8f7a10",
		"origin": f.origin, "hub": f.key.DID(), "verifierKey": f.vkey, "epoch": 1, "name": map[string]string{"zh": "伪"}, "jurisdiction": "CN",
		"open": true}
	if f.server != nil {
		card["address"] = []string{f.server.URL}
	}
	maps.Copy(card, change)
	raw, err := json.Marshal(card)
	if err != nil {
		f.t.Fatal(err)
	}
	return identitytest.Sign(f.t, raw, f.key, identity.SignOptions{Created: at.UTC().Truncate(time.Millisecond)})
}

// change changes what it shows, and wakes whoever waits for news.
func (f *forger) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.news)
	f.news = make(chan struct{})
}

// offers has the forger's own space publish.
func (f *forger) offers(ids ...string) *forger {
	f.t.Helper()
	f.change(func() {
		for _, id := range ids {
			f.tree.say(f.t, vocab.KindOffering, f.space, offering(id, "产品"+id))
		}
	})
	return f
}

// add makes its operator's hub a peer of w.
func (w *town) add(f *forger, terms ...peering.Terms) {
	w.t.Helper()
	var term peering.Terms
	if len(terms) > 0 {
		term = terms[0]
	}
	if _, err := w.peers().Add(w.t.Context(), security, peering.Invite{Card: f.card}, term); err != nil {
		w.t.Fatal(err)
	}
}

// mirrorOf is what w knows of a forger's log.
func (w *town) mirrorOf(f *forger) peering.LogInfo {
	w.t.Helper()
	return w.logOf(&town{running: originOnly(f.origin)})
}

func originOnly(origin string) *running {
	r := &running{}
	r.info.Origin = origin
	return r
}

// holds waits until w has all of a forger's log.
func (w *town) holds(f *forger, size uint64) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d entries of %s are here", size, f.origin), func() (string, bool) {
		l := w.mirrorOf(f)
		return fmt.Sprint(l.Size), l.Size == size && l.Lag == 0 && l.AgeS >= 0 // and its checkpoint is accepted
	})
}

func (p *pages) size() uint64 { return uint64(len(p.leaves) / ledger.LeafSize) }

// fork is a copy that goes its own way.
func (p *pages) fork() *pages {
	q := *p
	q.leaves, q.hashes = bytes.Clone(p.leaves), append([]tlog.Hash{}, p.hashes...)
	q.documents = maps.Clone(p.documents)
	return &q
}

// ReadHashes implements tlog.HashReader.
func (p *pages) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = p.hashes[x]
	}
	return out, nil
}

// record writes a leaf record.
func (p *pages) record(t *testing.T, leaf ledger.Leaf) {
	hashes, err := tlog.StoredHashesForRecordHash(int64(p.size()), tlog.RecordHash(leaf.Bytes()), p)
	if err != nil {
		t.Fatal(err)
	}
	p.leaves, p.hashes = append(p.leaves, leaf.Bytes()...), append(p.hashes, hashes...)
}

// write writes a document, a second after the entry before.
func (p *pages) write(t *testing.T, kind vocab.EntryKind, document []byte) ledger.Leaf {
	p.at = p.at.Add(time.Second)
	leaf := ledger.NewLeaf(kind, p.at, document)
	p.documents[leaf.SHA256] = document
	p.record(t, leaf)
	return leaf
}

// say signs a document and writes it.
func (p *pages) say(t *testing.T, kind vocab.EntryKind, key *identity.Key, doc string) []byte {
	t.Helper()
	raw := identitytest.Sign(t, doc, key, identity.SignOptions{Created: p.at.UTC().Truncate(time.Millisecond)})
	p.write(t, kind, raw)
	return raw
}

// checkpoint signs a history.
func checkpoint(t *testing.T, origin string, signer note.Signer, p *pages) []byte {
	root, err := tlog.TreeHash(int64(p.size()), p)
	if err != nil {
		t.Error(err)
	}
	at := p.signed
	if at.IsZero() {
		at = p.at.Add(time.Second)
	}
	return sealed(t, origin, signer, p.size(), root, at)
}

// sealed signs that a log has so many entries.
func sealed(t *testing.T, origin string, signer note.Signer, size uint64, root tlog.Hash, at time.Time) []byte {
	raw, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\ntime %d\n", origin, size, root, at.Unix())}, signer)
	if err != nil {
		t.Error(err)
	}
	return raw
}

// connected counts connections.
func (f *forger) connected(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch state {
	case http.StateNew:
		f.conns[c] = true
		f.most = max(f.most, len(f.conns))
	case http.StateClosed, http.StateHijacked:
		delete(f.conns, c)
	}
}

// ServeHTTP implements http.Handler.
func (f *forger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question := strings.TrimPrefix(r.URL.Path, exchange.PathPrefix)
	body, err := io.ReadAll(io.LimitReader(r.Body, exchange.MaxRequest))
	if err != nil {
		return // whoever asked hung up
	}
	f.mu.Lock()
	f.asked[question]++
	wrong := f.ill[question]
	f.mu.Unlock()
	right := func() []byte { return f.answer(r.Context(), issuer(r), question, body) }
	if wrong != nil {
		wrong(w, r, right)
		return
	}
	_, _ = w.Write(right())
}

// issuer is who asks, as the token says; nobody checks it here.
func issuer(r *http.Request) string {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	var claims struct {
		Issuer string `json:"iss"`
	}
	if len(parts) == 3 {
		b, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(b, &claims) // no token of ours: nobody
	}
	return claims.Issuer
}

// answer makes the answer that a right hub gives, from the history that the asker
// is shown.
func (f *forger) answer(ctx context.Context, asker, question string, body []byte) []byte {
	var q struct {
		Origin   string                   `json:"origin"`
		From, To uint64                   `json:",omitempty"`
		Path     string                   `json:"path"`
		Digests  []byte                   `json:"digests"`
		Held     map[string]exchange.Held `json:"held"`
		WaitMS   int                      `json:"wait_ms"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		f.t.Errorf("asked %s", body)
	}
	if question == "logs" {
		return f.logs(ctx, asker, q.Held, time.Duration(q.WaitMS)*time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.shown(asker)
	switch to := min(q.To, p.size()); {
	case question == "leaves" && q.From < to:
		return exchange.Reply(p.leaves[q.From*ledger.LeafSize:to*ledger.LeafSize], nil)
	case question == "tile":
		if tile, err := p.tile(q.Path); err == nil {
			return exchange.Reply(tile, nil)
		}
	case question == "documents":
		var raw []byte
		for d := q.Digests; len(d) >= 32; d = d[32:] {
			raw = append(raw, written(p.documents, vocab.Digest(d))...)
		}
		return exchange.Reply(pack(raw), nil)
	}
	return exchange.Reply(nil, errors.New("there is none"))
}

// shown is the history that a hub is shown. The caller holds mu.
func (f *forger) shown(asker string) *pages {
	if p := f.shows[asker]; p != nil {
		return p
	}
	return f.tree
}

// written is a document as an answer has it: state, length, bytes.
func written(documents map[vocab.Digest][]byte, d vocab.Digest) []byte {
	b, known := documents[d]
	state := byte(exchange.DocumentGiven)
	switch {
	case !known:
		state = byte(exchange.DocumentMissing)
	case b == nil:
		state = byte(exchange.DocumentWithheld)
	}
	return append(binary.BigEndian.AppendUint32([]byte{state}, uint32(len(b))), b...)
}

func (p *pages) tile(path string) ([]byte, error) {
	// C2SP tlog-tiles has no tile height in the path, x/mod has.
	t, err := tlog.ParseTilePath("tile/8/" + strings.TrimPrefix(path, "tile/"))
	if err != nil {
		return nil, err
	}
	return tlog.ReadTileData(t, p)
}

// logs answers what there is, after waiting for news if there is none.
func (f *forger) logs(ctx context.Context, asker string, held map[string]exchange.Held, wait time.Duration) []byte {
	late := time.NewTimer(wait)
	defer late.Stop()
	for waiting := wait > 0; ; {
		f.mu.Lock()
		p, news, extra := f.shown(asker), f.news, f.extra
		if !waiting || p.size() > held[f.origin].Size {
			answer := map[string]any{"card": string(f.card), "logs": append([]offered{{string(f.card), string(checkpoint(f.t, f.origin, f.signer, p)), true}}, extra...)}
			f.mu.Unlock()
			text, err := json.Marshal(answer)
			if err != nil {
				f.t.Error(err)
			}
			return exchange.Reply(pack(text), nil)
		}
		f.mu.Unlock()
		select {
		case <-news:
			waiting = false // whatever changed
		case <-late.C:
			waiting = false
		case <-ctx.Done():
			return nil
		}
	}
}
