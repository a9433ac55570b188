package exchange

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"testing"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// bundleOf writes a bundle of a log.
func bundleOf(t testing.TB, l *ledger.Log, note []byte, from uint64, mayRead func(ledger.Record) bool) []byte {
	t.Helper()
	if mayRead == nil {
		mayRead = func(ledger.Record) bool { return true }
	}
	var b bytes.Buffer
	if err := WriteBundle(context.Background(), &b, []byte(`{"card": 1}`), note, l, from, mayRead); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBundle(raw []byte) (*Bundle, error) {
	return OpenBundle(bytes.NewReader(raw), int64(len(raw)))
}

// A log goes by file as it goes by wire: whole, and what is new; from its hub, and
// from one that mirrors it.
func TestBundle(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 1400)
	l := w.own(p, 1000)
	early := l.Checkpoint()
	q := *p
	q.vkey = l.VerifierKey()
	take := func(f *follower, raw []byte) error {
		t.Helper()
		b, err := openBundle(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Advance(t.Context(), b, true, b.Checkpoint())
		return err
	}
	far := newWorld(t)
	f := far.follow(&q, true)
	f.chunk, f.part = 256, 100 // so that tiles are needed
	whole := bundleOf(t, l, early, 0, nil)
	if err := take(f, whole); err != nil {
		t.Fatal(err)
	}
	w.append(l, p, 1000, 1400)
	sameLogUpTo(t, l, f, 1000)

	// What is new since, written to go on from there; a file that begins later is
	// refused, one that begins earlier is not.
	late := bundleOf(t, l, l.Checkpoint(), 1000, nil)
	if len(late) > len(whole)*6/10 { // up to 255 leaf records go along for the tiles
		t.Errorf("400 entries make %d bytes, 1,000 make %d", len(late), len(whole))
	}
	var sf *SourceFault
	if err := take(f, bundleOf(t, l, l.Checkpoint(), 1100, nil)); !errors.As(err, &sf) || sf.Problem.Code != "bundle.from" {
		t.Errorf("got %v", err)
	}
	if err := take(f, late); err != nil {
		t.Fatal(err)
	}
	sameLogUpTo(t, l, f, 1400)
	if err := take(f, whole); err != nil { // an old file does nothing
		t.Error(err)
	}

	// From the mirror on, to a third; what its reader may not see stays behind.
	hidden := map[uint64]ledger.EntryState{}
	for i := uint64(5); i < 1400; i += 9 {
		hidden[i] = ledger.Withheld
	}
	third := newWorld(t).follow(&q, true)
	raw := bundleOf(t, f.Log, f.Log.Checkpoint(), 0, func(rec ledger.Record) bool { return hidden[rec.Index] == 0 })
	if err := take(third, raw); err != nil {
		t.Fatal(err)
	}
	sameLog(t, l, third, hidden)
	for i := range hidden {
		if bytes.Contains(raw, p.documents[p.leaf(i).SHA256]) {
			t.Errorf("entry %d went along", i)
		}
	}
	b, err := openBundle(raw)
	if err != nil || string(b.Card()) != `{"card":1}` && string(b.Card()) != `{"card": 1}` || b.From() != 0 {
		t.Errorf("%s, %v", b.Card(), err)
	}
	if _, err := b.Leaves(t.Context(), "another", 0, 1); !errors.As(err, &sf) {
		t.Errorf("got %v", err)
	}

	var ps vocab.Problems
	err = WriteBundle(t.Context(), &bytes.Buffer{}, nil, l.Checkpoint(), l, 1400, nil)
	if !errors.As(err, &ps) || ps[0].Code != "bundle.from" {
		t.Errorf("got %v", err)
	}
	if err := WriteBundle(t.Context(), &bytes.Buffer{}, nil, nil, l, 0, nil); !errors.As(err, &ps) {
		t.Errorf("got %v", err)
	}
}

func sameLogUpTo(t *testing.T, l *ledger.Log, f *follower, n uint64) {
	t.Helper()
	root, err := l.Root(n)
	if got, err2 := f.Log.Root(n); err != nil || err2 != nil || got != root || f.Log.Size() != n {
		t.Fatalf("%d entries, want %d, %v, %v", f.Log.Size(), n, err, err2)
	}
	for rec, err := range f.Log.Read(t.Context(), 0, n) {
		if err != nil || rec.State != ledger.Held || rec.Document == nil {
			t.Fatalf("entry %d: %s, %v", rec.Index, rec.State, err)
		}
	}
}

// A bundle that was cut or changed on the way is found out, before or while it is
// read, and puts nothing into the mirror that is not the log's; a good copy of it
// goes on where that ended.
func TestBrokenBundles(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 300)
	l := w.own(p, 300)
	raw := bundleOf(t, l, l.Checkpoint(), 0, nil)
	q := *p
	q.vkey = l.VerifierKey()
	f := newWorld(t).follow(&q, true)
	try := func(name string, bad []byte) {
		t.Helper()
		b, err := openBundle(bad)
		if err == nil {
			_, err = f.Advance(t.Context(), b, true, b.Checkpoint())
		}
		var sf *SourceFault
		if !errors.As(err, &sf) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := 0; n < len(raw); n += 1 + len(raw)/97 {
		try("cut", raw[:n])
		bad := bytes.Clone(raw)
		bad[n] ^= 1
		if n < len(bundleMagic)+frameStart || n > 2000 { // in the head, one may change what is not looked at
			try("changed", bad)
		}
	}
	try("more behind it", append(bytes.Clone(raw), 0))
	try("twice", append(bytes.Clone(raw), raw...))
	// Frames with right sums that say what cannot be.
	try("another version", append([]byte("lianmu log bundle 9\n"), raw[len(bundleMagic):]...))
	frames := framesOf(t, raw)
	for i := range frames {
		if frames[i].kind == frameTile {
			continue // not needed for what is copied in one go
		}
		without := append(append([]frame{}, frames[:i]...), frames[i+1:]...)
		try("a frame left out", joinFrames(without))
		twice := append(append(append([]frame{}, frames[:i+1]...), frames[i]), frames[i+1:]...)
		try("a frame twice", joinFrames(twice))
	}
	for i, fr := range frames {
		if fr.kind == frameDocuments {
			bomb := append(bytes.Clone(fr.payload[:12]), newPacker().pack(make([]byte, 64<<20))...)
			changed := append([]frame{}, frames...)
			changed[i].payload = bomb
			try("a bomb", joinFrames(changed))
		}
		if fr.kind == frameLeaves {
			changed := append([]frame{}, frames...)
			changed[i].payload = bytes.Clone(fr.payload)
			changed[i].payload[8+20]++
			try("a leaf record changed", joinFrames(changed))
		}
	}
	if f.Log.Size() != 0 {
		t.Errorf("%d entries came in", f.Log.Size())
	}
	b, err := openBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Advance(t.Context(), b, true, b.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	sameLog(t, l, f, nil)
}

type frame struct {
	kind    byte
	payload []byte
}

func framesOf(t testing.TB, raw []byte) (out []frame) {
	t.Helper()
	for raw = raw[len(bundleMagic):]; len(raw) > 0; {
		n := binary.BigEndian.Uint32(raw[1:])
		out = append(out, frame{raw[0], raw[frameStart : frameStart+n]})
		raw = raw[frameStart+n:]
	}
	return out
}

// joinFrames writes frames with right sums, and a right number of them at the end.
func joinFrames(frames []frame) []byte {
	b := []byte(bundleMagic)
	for i, f := range frames {
		p := f.payload
		if f.kind == frameEnd {
			p = binary.BigEndian.AppendUint32(nil, uint32(i))
		}
		b = append(b, f.kind)
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(p, castagnoli))
		b = append(b, p...)
	}
	return b
}

// Whatever a file is, opening and reading it ends without harm.
func FuzzBundle(f *testing.F) {
	p := newPaper(f).offer(identitytest.Key(f), 3)
	raw := p.bundle()
	if _, err := openBundle(raw); err != nil {
		f.Fatal(err)
	}
	f.Add(raw, true)
	f.Add(raw[:len(raw)-3], false)
	for _, fr := range framesOf(f, raw) {
		f.Add(joinFrames([]frame{fr}), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, sums bool) {
		if sums && len(raw) > len(bundleMagic) { // let the sums be right, to get further
			raw = resum(raw)
		}
		b, err := openBundle(raw)
		if err != nil {
			return
		}
		origin := b.head.Origin
		for from := b.From(); from < b.head.Size; {
			part, err := b.Leaves(t.Context(), origin, from, b.head.Size)
			if err != nil || checkLeaves(part, b.head.Size-from) != nil {
				t.Fatalf("%d bytes, %v", len(part), err)
			}
			for ; len(part) > 0; part = part[leafSize:] {
				if leaf, err := ledger.ParseLeaf(part[:leafSize]); err == nil {
					if d, err := b.Documents(t.Context(), origin, []vocab.Digest{leaf.SHA256}); err == nil && len(d) != 1 {
						t.Fatalf("%d documents", len(d))
					}
				}
				from++
			}
		}
		for _, path := range []string{"tile/0/000", "tile/0/000.p/3", "tile/1/000", "tile/1/000.p/1", "tile/entries/000"} {
			_, _ = b.Tile(t.Context(), origin, path)
		}
	})
}

// bundle writes a small log as a bundle, without a store.
func (p *paper) bundle() []byte {
	head, err := json.Marshal(bundleHead{Origin: p.origin, Card: []byte("{}"), Checkpoint: string(p.last()), Size: p.size()})
	if err != nil {
		p.t.Fatal(err)
	}
	payload := binary.BigEndian.AppendUint64(nil, 0)
	payload = binary.BigEndian.AppendUint32(payload, uint32(p.size()))
	var raw []byte
	for i := range p.size() {
		raw = appendDocument(raw, Document{State: DocumentGiven, Bytes: p.documents[p.leaf(i).SHA256]})
	}
	return joinFrames([]frame{
		{frameHead, head}, {frameLeaves, append(make([]byte, 8), p.leaves...)}, {frameDocuments, append(payload, newPacker().pack(raw)...)}, {frameEnd, nil},
	})
}

func resum(raw []byte) []byte {
	out := bytes.Clone(raw)
	for at := len(bundleMagic); at+frameStart <= len(out); {
		n := int(binary.BigEndian.Uint32(out[at+1:]))
		if n > len(out)-at-frameStart {
			break
		}
		binary.BigEndian.PutUint32(out[at+5:], crc32.Checksum(out[at+frameStart:at+frameStart+n], castagnoli))
		at += frameStart + n
	}
	return out
}
