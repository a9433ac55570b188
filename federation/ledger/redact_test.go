package ledger_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// redactionOf is a redaction of entry index as a hub writes it.
func redactionOf(index uint64, leaf []byte) ledger.Entry {
	doc := fmt.Appendf(nil, `{"@context":"https://w3id.org/lianmu/v1","@type":"Redaction","@id":"urn:uuid:%d","index":%d,"leaf":%q,"ground":"personal"}`,
		index, index, base64.RawURLEncoding.EncodeToString(leaf))
	return ledger.Entry{Document: doc, Fact: vocab.Fact{
		Kind: vocab.KindRedaction, Space: "did:key:zHub", ID: fmt.Sprintf("urn:uuid:%d", index), Digest: vocab.DigestOf(doc),
	}}
}

func leafOf(t *testing.T, l *ledger.Log, index uint64) []byte {
	t.Helper()
	r, err := l.Get(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	return r.Leaf.Bytes()
}

// appendRedactions appends redactions of entries, without deleting anything.
func appendRedactions(t *testing.T, l *ledger.Log, indexes ...uint64) {
	t.Helper()
	es := make([]ledger.Entry, len(indexes))
	for i, index := range indexes {
		es[i] = redactionOf(index, leafOf(t, l, index))
	}
	appendAll(t, l, es)
}

// wantRedacted checks that exactly these of the first n entries, which are
// entry(0) to entry(n−1), are redacted, by every way of reading.
func wantRedacted(t *testing.T, l *ledger.Log, n int, gone ...uint64) {
	t.Helper()
	is := map[uint64]bool{}
	for _, i := range gone {
		is[i] = true
	}
	next := uint64(0)
	for r, err := range l.Read(t.Context(), 0, uint64(n)) {
		want := entry(int(next))
		switch {
		case err != nil || r.Index != next || r.Leaf.SHA256 != want.Fact.Digest || r.Redacted != is[next]:
			t.Fatalf("entry %d: %+v, %v", next, r, err)
		case is[next] && (r.Document != nil || r.Fact != vocab.Fact{Kind: want.Fact.Kind, Digest: want.Fact.Digest}):
			t.Fatalf("entry %d is redacted and shows %+v", next, r)
		case !is[next] && (!bytes.Equal(r.Document, want.Document) || r.Fact != want.Fact):
			t.Fatalf("entry %d: %+v", next, r)
		}
		next++
	}
	if next != uint64(n) {
		t.Fatalf("read %d of %d", next, n)
	}
	for r, err := range l.Facts(t.Context(), 0, uint64(n), vocab.KindSpace, vocab.KindOffering) {
		if err != nil || r.Redacted != is[r.Index] || (r.Document == nil) != is[r.Index] {
			t.Fatalf("facts: %+v, %v", r, err)
		}
	}
	for _, i := range gone {
		if r, err := l.Get(t.Context(), i); err != nil || !r.Redacted || r.Document != nil {
			t.Errorf("get %d: %+v, %v", i, r, err)
		}
	}
}

// verify waits until the log is signed over all it has, and verifies it.
func verify(t *testing.T, l *ledger.Log) *ledger.Report {
	t.Helper()
	for i := 0; !strings.Contains(string(l.Checkpoint()), fmt.Sprintf("\n%d\n", l.Size())); i++ {
		if i > 1000 {
			t.Fatalf("never signed over %d entries", l.Size())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), func(r ledger.Record) error {
		if (r.Document == nil) != r.Redacted || r.Redacted != (r.Redaction != nil) {
			return fmt.Errorf("called with %+v", r)
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inStore reports whether any file of the store holds text.
func (w *world) inStore(text []byte) (found []string) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// tiles are all that a peer copies: leaf records and hashes.
func tiles(t *testing.T, l *ledger.Log) string {
	t.Helper()
	all := ""
	for _, path := range []string{"tile/entries/000.p/20", "tile/0/000.p/20"} {
		b, err := l.Tile(path)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

func TestRedact(t *testing.T) {
	w := newWorld(t)
	damaged := map[uint64]error{}
	reopen := func() *ledger.Log {
		t.Helper()
		c := w.config("a")
		c.Damaged = func(i uint64, err error) { damaged[i] = err }
		l, err := ledger.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close(t.Context()) })
		return l
	}
	l := reopen()
	appendAll(t, l, entries(0, 10))
	appendAll(t, l, entries(10, 10))
	verify(t, l)
	before := tiles(t, l)
	marker := func(i int) []byte { return fmt.Appendf(nil, "数据产品 %d\"", i) }

	if err := l.Redact(t.Context(), 3); !errors.Is(err, ledger.ErrRedaction) {
		t.Errorf("without a redaction in the log: %v", err)
	}
	if err := l.Redact(t.Context(), 99); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("beyond the log: %v", err)
	}
	gone := []uint64{0, 3, 4, 9, 19} // first, neighbours, the last of a batch, the last before the redactions
	appendRedactions(t, l, gone...)
	wantRedacted(t, l, 20, gone...) // though nothing is deleted yet
	if r := verify(t, l); r.Faults != 5 || r.Redacted != 0 || !strings.Contains(r.Problems[1], "entry 3: its redaction, entry 21, was not completed") {
		t.Errorf("before the deletion: %+v", r)
	}
	for _, i := range gone {
		if len(w.inStore(marker(int(i)))) == 0 {
			t.Errorf("entry %d is not found in the store while it should be there", i)
		}
		for range 2 { // repeating is harmless
			if err := l.Redact(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		if found := w.inStore(marker(int(i))); found != nil {
			t.Errorf("entry %d was deleted and is still in %v", i, found)
		}
	}
	check := func(name string, l *ledger.Log) {
		t.Helper()
		wantRedacted(t, l, 20, gone...)
		if r := verify(t, l); r.Faults != 0 || r.Redacted != 5 || r.Checked != l.Size() {
			t.Errorf("%s: %+v", name, r)
		}
		if tiles(t, l) != before {
			t.Errorf("%s: leaf records or hashes are others", name)
		}
		if len(damaged) != 0 {
			t.Errorf("%s: redacted entries count as damaged: %v", name, damaged)
		}
	}
	check("deleted", l)
	w.close(l)
	check("restarted", reopen())
	for name, damage := range map[string]func(string) error{
		"without the leaf cache":   os.Remove,
		"with half the leaf cache": func(p string) error { return os.Truncate(p, 79*4) },
		"with a byte flipped":      func(p string) error { return flip(p, 79*9+30) },
	} {
		l = reopen()
		w.close(l)
		if err := damage(filepath.Join(w.dir, "a", "leaves")); err != nil {
			t.Fatal(err)
		}
		check(name, reopen())
	}
	// Another data folder knows nothing but the stream.
	check("elsewhere", w.open("b"))
	w.close(l)
	w.stopBus()
	// The server reads its blocks anew, as after a kill: the gaps must be in them.
	indexes, err := filepath.Glob(filepath.Join(w.dir, "nats", "jetstream", "*", "streams", bus.LogStream, "msgs", "index.db"))
	if err != nil || len(indexes) != 1 {
		t.Fatal(indexes, err)
	}
	if err := os.Remove(indexes[0]); err != nil {
		t.Fatal(err)
	}
	w.startBus()
	l = reopen()
	check("server restarted", l)
	for i := range gone {
		if found := w.inStore(marker(i)); (i == 0 || i == 3 || i == 4) && found != nil {
			t.Errorf("entry %d is in %v", i, found)
		}
	}
	appendAll(t, l, entries(25, 3))
	if got := l.Size(); got != 28 {
		t.Errorf("size %d", got)
	}
}

// The process ends between the redaction and the deletion: nothing reads the
// body meanwhile, and the next start deletes it.
func TestRedactionIsCompletedAtStart(t *testing.T) {
	for name, before := range map[string]func(*world, *ledger.Log){
		"in the leaf cache": func(*world, *ledger.Log) {},
		"without the leaf cache": func(w *world, _ *ledger.Log) {
			if err := os.Remove(filepath.Join(w.dir, "a", "leaves")); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open("a")
			appendAll(t, l, entries(0, 8))
			appendRedactions(t, l, 2, 5)
			w.close(l)
			before(w, l)
			text := []byte("数据产品 5")
			if len(w.inStore(text)) == 0 {
				t.Fatal("the body is not there")
			}
			l = w.open("a")
			if found := w.inStore(text); found != nil {
				t.Errorf("the body is still in %v", found)
			}
			wantRedacted(t, l, 8, 2, 5)
			if r := verify(t, l); r.Faults != 0 || r.Redacted != 2 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestRedactionsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 3))
	for _, kind := range []vocab.EntryKind{vocab.KindEpoch, vocab.KindAct} {
		e := entry(100 + int(kind))
		e.Fact.Kind = kind
		appendAll(t, l, []ledger.Entry{e})
	}
	appendRedactions(t, l, 1)
	size := l.Size()
	changed := func(from, to string) ledger.Entry {
		e := redactionOf(0, leafOf(t, l, 0))
		e.Document = bytes.Replace(e.Document, []byte(from), []byte(to), 1)
		e.Fact.Digest = vocab.Digest{}
		return e
	}
	for name, e := range map[string]ledger.Entry{
		"of an epoch":            redactionOf(3, leafOf(t, l, 3)),
		"of an act":              redactionOf(4, leafOf(t, l, 4)),
		"of a redaction":         redactionOf(5, leafOf(t, l, 5)),
		"of itself":              redactionOf(size, leafOf(t, l, 0)),
		"of what is not there":   redactionOf(size+7, leafOf(t, l, 0)),
		"another's leaf record":  redactionOf(0, leafOf(t, l, 2)),
		"half a leaf record":     redactionOf(0, leafOf(t, l, 0)[:40]),
		"no leaf record":         changed(`"leaf"`, `"other"`),
		"a negative index":       changed(`"index":0`, `"index":-1`),
		"an index in words":      changed(`"index":0`, `"index":"0"`),
		"no index":               changed(`"index"`, `"Index"`),
		"not JSON":               changed(`{`, `[`),
		"a leaf record with pad": changed(`","ground"`, `=","ground"`),
	} {
		if _, err := l.Append(t.Context(), size, []ledger.Entry{e}); !errors.Is(err, ledger.ErrRedaction) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor of an entry of the same batch: it has no leaf record yet.
	e := entry(50)
	leaf := ledger.NewLeaf(e.Fact.Kind, w.clock.now(), e.Document).Bytes()
	if _, err := l.Append(t.Context(), size, []ledger.Entry{e, redactionOf(size, leaf)}); !errors.Is(err, ledger.ErrRedaction) {
		t.Errorf("of its neighbour: %v", err)
	}
	if l.Size() != size {
		t.Errorf("size %d", l.Size())
	}
}

// A body that is gone is damage as long as no redaction in the log names it,
// with its leaf record.
func TestGapWithoutRedaction(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	appendRedactions(t, l, 4)
	if err := l.Redact(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	s, err := w.bus.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), 6+1); err != nil {
		t.Fatal(err)
	}
	damaged := map[uint64]error{}
	w.close(l)
	c := w.config("a")
	c.Damaged = func(i uint64, err error) { damaged[i] = err }
	if l, err = ledger.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, err := range l.Read(t.Context(), 0, 11) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(damaged) != 1 || !errors.Is(damaged[6], ledger.ErrDamaged) {
		t.Errorf("damaged: %v", damaged)
	}
	if r := verify(t, l); r.Faults != 1 || r.Redacted != 1 || !strings.Contains(r.Problems[0], "entry 6") {
		t.Errorf("%+v", r)
	}
	w.close(l)
	if err := os.Remove(filepath.Join(w.dir, "a", "leaves")); err != nil {
		t.Fatal(err)
	}
	// What follows the gap cannot be placed in the tree, so nothing of it counts.
	l = w.open("a")
	if l.Size() != 0 {
		t.Errorf("%d entries were taken from a batch with a hole", l.Size())
	}
	wantFrozen(t, w, l, "entry 6 is missing")
}

// Another process of the hub reads a gap before it has read the redaction.
func TestRedactedByAnotherProcess(t *testing.T) {
	w := newWorld(t)
	a := w.open("a")
	appendAll(t, a, entries(0, 6))
	c := w.config("b")
	c.Damaged = func(i uint64, err error) { t.Errorf("entry %d: %v", i, err) }
	b, err := ledger.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(b)
	appendRedactions(t, a, 2, 5)
	for _, i := range []uint64{2, 5} {
		if err := a.Redact(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	wantRedacted(t, b, 6, 2, 5)
}

// A verifier believes a redaction only as far as it fits the tree.
func TestVerifyFindsLiesInRedactions(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 5))
	appendRedactions(t, l, 1)
	if err := l.Redact(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, l); r.Faults != 0 || r.Redacted != 1 {
		t.Fatalf("%+v", r)
	}
	for name, tc := range map[string]struct {
		documents func([][]byte) [][]byte
		says      string
	}{
		"the redaction is withheld": {func(d [][]byte) [][]byte { d[len(d)-1] = nil; return d }, "entry 1: its document"},
		"the redaction is another's": {func(d [][]byte) [][]byte {
			d[len(d)-1] = bytes.Replace(d[len(d)-1], []byte(`"index":1`), []byte(`"index":2`), 1)
			return d
		}, "entry 5: its document is not the one"},
	} {
		src := liar{Source: l.Source(), documents: tc.documents}
		r, err := ledger.Verify(t.Context(), src, l.VerifierKey(), nil, nil)
		if err != nil || r.Redacted != 0 || !strings.Contains(strings.Join(r.Problems, "\n"), tc.says) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// A signer that is not the space goes along as a hint, and counts among them.
func TestSignerHint(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	e := entry(0)
	e.Fact.Signer = "did:key:zAnother\r\nEvil: 1"
	appendAll(t, l, []ledger.Entry{e, entry(1)})
	for range 2 {
		for r, err := range l.Facts(t.Context(), 0, 2) {
			want := []vocab.Fact{e.Fact, entry(1).Fact}[r.Index]
			if err != nil || r.Fact != want {
				t.Errorf("%+v, %v", r.Fact, err)
			}
		}
		w.close(l)
		l = w.open("a")
	}
	e.Fact.Signer = strings.Repeat("x", 25<<10)
	if _, err := l.Append(t.Context(), 2, []ledger.Entry{e}); !errors.Is(err, ledger.ErrEntry) {
		t.Errorf("a long signer: %v", err)
	}
}
