package exchange

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

func TestMain(m *testing.M) {
	// A server that stops while a batch is staged leaves that batch's store open.
	const store = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(store+".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(store+".(*fileStore).flushStreamStateLoop"), goleak.IgnoreAnyFunction(store+"/ats.Register.func1"))
}

// start is when the logs of these tests begin.
var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// clock is a clock that stands still unless moved.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// world is a hub's bus, and what a follower needs.
type world struct {
	t         testing.TB
	dir       string
	bus       *bus.Bus
	clock     *clock
	processor *jsonld.Processor
	reader    *shape.Reader
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{}, processor: jsonld.New(jsonld.Limits{})}
	w.clock.ms.Store(start.Add(24 * time.Hour).UnixMilli())
	var err error
	if w.reader, err = shape.NewReader(); err != nil {
		t.Fatal(err)
	}
	if w.bus, err = bus.Start(context.Background(), bus.Config{Dir: filepath.Join(w.dir, "nats"), Logger: w.logger(), Poll: 50 * time.Millisecond, Reserve: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.bus.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// mirror opens the mirror of a log, in a folder of its own.
func (w *world) mirror(origin, vkey string) *ledger.Log {
	w.t.Helper()
	stream, err := w.bus.MirrorStream(context.Background(), origin)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.OpenMirror(context.Background(), ledger.Config{
		JetStream: w.bus.JetStream, Stream: stream, State: w.bus.State(), Dir: filepath.Join(w.dir, bus.MirrorID(origin)),
		Origin: origin, VerifierKey: vkey, Now: w.clock.now, Logger: w.logger(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

// follower is one of a log, and what it told of.
type follower struct {
	*Follower
	judge    *judge.Judge
	appended []uint64
	reads    int // of appended ones
	filled   []uint64
}

// follow opens the mirror of p in w, judged as that of a hub that takes whoever
// signs, or only whom it admits.
func (w *world) follow(p *paper, open bool) *follower {
	w.t.Helper()
	until := uint64(0)
	if open {
		until = math.MaxUint64
	}
	f := &follower{judge: judge.New(w.processor, w.reader, p.hub.DID(), until)}
	f.Follower = &Follower{
		Log: w.mirror(p.origin, p.vkey), Judge: &judging{f.judge, nil}, Now: w.clock.now, Logger: w.logger(),
		Appended: func(index uint64, _ ledger.Leaf, _ vocab.Fact, read any) {
			f.appended = append(f.appended, index)
			if read != nil {
				f.reads++
			}
		},
		Filled: func(index uint64) { f.filled = append(f.filled, index) },
	}
	f.Judge.(*judging).log = f.Log
	if err := f.judge.Restore(context.Background(), f.Log); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// judging is the real judge as a Follower sees it.
type judging struct {
	*judge.Judge
	log *ledger.Log
}

func (j *judging) Read(ctx context.Context, leaf ledger.Leaf, document []byte) (any, error) {
	r, err := j.Judge.Read(ctx, leaf, document)
	if r == nil {
		return nil, err
	}
	return r, err
}

func (j *judging) Stand(index uint64, leaf ledger.Leaf, read any) (vocab.Fact, error) {
	return j.Judge.Stand(index, leaf, read.(*judge.Read))
}

func (j *judging) Apply(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any) {
	r, _ := read.(*judge.Read)
	j.Judge.Apply(index, leaf, fact, r)
}

func (j *judging) Position() uint64 { return j.Registry().Position() }

func (j *judging) Late(ctx context.Context, late map[uint64]any) (map[uint64]Verdict, error) {
	reads := map[uint64]*judge.Read{}
	for i, r := range late {
		reads[i] = r.(*judge.Read)
	}
	verdicts, err := j.Judge.Late(ctx, j.log, reads)
	out := map[uint64]Verdict{}
	for i, v := range verdicts {
		out[i] = Verdict(v)
	}
	return out, err
}

// paper is another hub's log as a list: any entry can be written into it, and any
// checkpoint signed. It is an honest Source; evil ones are made of it.
type paper struct {
	t         testing.TB
	hub       *identity.Key
	origin    string
	vkey      string
	signer    note.Signer
	leaves    []byte
	hashes    []tlog.Hash
	documents map[vocab.Digest][]byte
	at        time.Time // of the last entry
	states    map[vocab.Digest]DocumentState
}

func newPaper(t testing.TB) *paper {
	t.Helper()
	p := &paper{t: t, hub: identitytest.Key(t), at: start, documents: map[vocab.Digest][]byte{}, states: map[vocab.Digest]DocumentState{}}
	p.origin = "lianmu/" + strings.TrimPrefix(p.hub.DID(), "did:key:") + "/1"
	seed := sha256.Sum256([]byte(p.origin))
	pub := append([]byte{1}, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(p.origin+"\n"), pub...))
	var err error
	if p.signer, err = note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", p.origin, binary.BigEndian.Uint32(sum[:4]),
		base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...)))); err != nil {
		t.Fatal(err)
	}
	if p.vkey, err = note.NewEd25519VerifierKey(p.origin, pub[1:]); err != nil {
		t.Fatal(err)
	}
	return p
}

// fork is a copy that goes its own way after n entries.
func (p *paper) fork(n int) *paper {
	q := *p
	q.leaves = bytes.Clone(p.leaves[:n*ledger.LeafSize])
	q.hashes = append([]tlog.Hash{}, p.hashes[:tlog.StoredHashCount(int64(n))]...)
	return &q
}

func (p *paper) size() uint64 { return uint64(len(p.leaves) / ledger.LeafSize) }

// ReadHashes implements tlog.HashReader.
func (p *paper) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = p.hashes[x]
	}
	return out, nil
}

// record writes any leaf record.
func (p *paper) record(b []byte) {
	p.t.Helper()
	hashes, err := tlog.StoredHashesForRecordHash(int64(p.size()), tlog.RecordHash(b), p)
	if err != nil {
		p.t.Fatal(err)
	}
	p.leaves, p.hashes = append(p.leaves, b...), append(p.hashes, hashes...)
}

// write writes a document as an entry, a second after the one before, and returns
// its index.
func (p *paper) write(kind vocab.EntryKind, document []byte) uint64 {
	p.t.Helper()
	p.at = p.at.Add(time.Second)
	leaf := ledger.NewLeaf(kind, p.at, document)
	p.documents[leaf.SHA256] = document
	p.record(leaf.Bytes())
	return p.size() - 1
}

type m = map[string]any

// say signs members in our context and writes them.
func (p *paper) say(key *identity.Key, kind vocab.EntryKind, members m) uint64 {
	p.t.Helper()
	return p.write(kind, p.sign(key, members))
}

func (p *paper) sign(key *identity.Key, members m, also ...identity.Signer) []byte {
	p.t.Helper()
	members["@context"] = "https://w3id.org/lianmu/v1"
	if members["@id"] == nil {
		members["@id"] = fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", p.size())
	}
	doc, err := json.Marshal(members)
	if err != nil {
		p.t.Fatal(err)
	}
	return identitytest.Sign(p.t, doc, key, identity.SignOptions{Created: p.at}, also...)
}

// offer writes n offerings of a space.
func (p *paper) offer(key *identity.Key, n int) *paper {
	p.t.Helper()
	for range n {
		p.say(key, vocab.KindOffering, m{"@type": "DataProduct", "@id": fmt.Sprintf("https://space.example/%d", p.size()), "title": fmt.Sprintf("数据产品 %d", p.size())})
	}
	return p
}

func (p *paper) admit(space string) uint64 {
	p.t.Helper()
	return p.say(p.hub, vocab.KindAct, m{"@type": "Admission", "space": space, "by": "did:key:zOfficer"})
}

// redact writes a redaction of an entry, as a hub does, and forgets its document.
func (p *paper) redact(index uint64, keys ...string) uint64 {
	p.t.Helper()
	leaf := p.leaf(index)
	members := p.redaction(index, leaf, p.documents[leaf.SHA256], keys...)
	delete(p.documents, leaf.SHA256)
	p.states[leaf.SHA256] = DocumentRedacted
	return p.say(p.hub, vocab.KindRedaction, members)
}

// redaction is what a hub writes of an entry with this leaf record and document.
func (p *paper) redaction(index uint64, leaf ledger.Leaf, raw []byte, keys ...string) m {
	p.t.Helper()
	type proof struct {
		Created            time.Time `json:"created"`
		VerificationMethod string    `json:"verificationMethod"`
	}
	var d struct {
		ID    string          `json:"@id"`
		Proof json.RawMessage `json:"proof"`
	}
	content, err := identity.Content(raw)
	if err != nil || json.Unmarshal(raw, &d) != nil {
		p.t.Fatal(err)
	}
	proofs := make([]proof, 1)
	if json.Unmarshal(d.Proof, &proofs[0]) != nil && json.Unmarshal(d.Proof, &proofs) != nil {
		p.t.Fatalf("proof %s", d.Proof)
	}
	space, _, _ := strings.Cut(proofs[0].VerificationMethod, "#")
	members := m{"@type": "Redaction", "index": index, "leaf": base64.RawURLEncoding.EncodeToString(leaf.Bytes()),
		"ground": "personal", "by": "did:key:zOfficer", "space": space, "created": proofs[0].Created}
	if leaf.Kind == vocab.KindSpace {
		members["keys"] = keys
	} else {
		members["offeringKey"], members["contentDigest"] = vocab.KeyOf(space, d.ID), content
	}
	return members
}

func (p *paper) leaf(index uint64) ledger.Leaf {
	p.t.Helper()
	leaf, err := ledger.ParseLeaf(p.leaves[index*ledger.LeafSize : (index+1)*ledger.LeafSize])
	if err != nil {
		p.t.Fatal(err)
	}
	return leaf
}

// root is that of the first n entries.
func (p *paper) root(n uint64) tlog.Hash {
	p.t.Helper()
	h, err := tlog.TreeHash(int64(n), p)
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

// note signs a checkpoint over the first n entries, a second after the last entry.
func (p *paper) note(n uint64) []byte { return p.noteAt(n, p.at.Add(time.Second)) }

func (p *paper) noteAt(n uint64, at time.Time) []byte {
	p.t.Helper()
	root := p.root(n)
	text := fmt.Sprintf("%s\n%d\n%s\ntime %d\n", p.origin, n, base64.StdEncoding.EncodeToString(root[:]), at.Unix())
	return p.signText(text)
}

func (p *paper) signText(text string) []byte {
	p.t.Helper()
	raw, err := note.Sign(&note.Note{Text: text}, p.signer)
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

func (p *paper) last() []byte { return p.note(p.size()) }

// Logs implements Source.
func (p *paper) Logs(context.Context, LogsRequest) (*LogsAnswer, error) {
	return &LogsAnswer{Logs: []Offered{{Checkpoint: string(p.last())}}}, nil
}

// Leaves implements Source.
func (p *paper) Leaves(_ context.Context, _ string, from, to uint64) ([]byte, error) {
	if to = min(to, p.size()); from >= to {
		return nil, fault("peer.refused", "没有。", "there are none")
	}
	return p.leaves[from*ledger.LeafSize : to*ledger.LeafSize], nil
}

// Documents implements Source.
func (p *paper) Documents(ctx context.Context, _ string, digests []vocab.Digest) ([]Document, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var out []Document
	for _, d := range digests {
		switch b := p.documents[d]; {
		case p.states[d] != 0:
			out = append(out, Document{State: p.states[d]})
		case b != nil:
			out = append(out, Document{State: DocumentGiven, Bytes: b})
		default:
			out = append(out, Document{State: DocumentMissing})
		}
	}
	return out, nil
}

// Tile implements Source.
func (p *paper) Tile(_ context.Context, _, path string) ([]byte, error) {
	t, err := ledger.ParseTile(path)
	if err != nil {
		return nil, err
	}
	return tlog.ReadTileData(t, p)
}

// evil is a source of which some answers are others.
type evil struct {
	Source
	leaves    func(from, to uint64) ([]byte, error)
	documents func(ctx context.Context, digests []vocab.Digest) ([]Document, error)
	tile      func(path string) ([]byte, error)
}

func (e *evil) Leaves(ctx context.Context, origin string, from, to uint64) ([]byte, error) {
	if e.leaves == nil {
		return e.Source.Leaves(ctx, origin, from, to)
	}
	return e.leaves(from, to)
}

func (e *evil) Documents(ctx context.Context, origin string, digests []vocab.Digest) ([]Document, error) {
	if e.documents == nil {
		return e.Source.Documents(ctx, origin, digests)
	}
	return e.documents(ctx, digests)
}

func (e *evil) Tile(ctx context.Context, origin, path string) ([]byte, error) {
	if e.tile == nil {
		return e.Source.Tile(ctx, origin, path)
	}
	return e.tile(path)
}

// states says for all documents the same.
func says(p *paper, state DocumentState) *evil {
	return &evil{Source: p, documents: func(_ context.Context, digests []vocab.Digest) ([]Document, error) {
		out := make([]Document, len(digests))
		for i := range out {
			out[i].State = state
		}
		return out, nil
	}}
}

// wantStates checks that the mirror has exactly the log's first entries, in these
// states by number of entries, and that whatever is held is the right document.
func (f *follower) wantStates(p *paper, size uint64, want map[ledger.EntryState]int) {
	p.t.Helper()
	if f.Log.Size() != size {
		p.t.Fatalf("the mirror has %d entries, want %d", f.Log.Size(), size)
	}
	if root, err := f.Log.Root(size); err != nil || root != p.root(size) {
		p.t.Fatalf("the mirror is not the log: %v", err)
	}
	got := map[ledger.EntryState]int{}
	for rec, err := range f.Log.Read(context.Background(), 0, size) {
		if err != nil {
			p.t.Fatal(err)
		}
		got[rec.State]++
		if rec.State == ledger.Held && !bytes.Equal(rec.Document, p.documents[rec.Leaf.SHA256]) {
			p.t.Errorf("entry %d holds another document", rec.Index)
		}
		if rec.State != ledger.Held && rec.Document != nil {
			p.t.Errorf("entry %d is %s and has a document", rec.Index, rec.State)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("entries by state: %v, want %v", got, want)
	}
	if n := f.judge.Registry().Position(); n != size {
		p.t.Errorf("the judge stands at %d of %d", n, size)
	}
	if n := uint64(len(f.appended)); n != size {
		p.t.Errorf("%d entries were told of, not %d", n, size)
	}
}

func jsonOf(v any) ([]byte, error) {
	if s, ok := v.(string); ok {
		return []byte(s), nil
	}
	return jsonv2.Marshal(v)
}

func (w *world) quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
