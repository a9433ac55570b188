package ledger_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// big returns n entries of 3.8 KB.
func big(n int) []ledger.Entry {
	out := make([]ledger.Entry, n)
	raw := make([]byte, 2800)
	for i := range out {
		_, _ = rand.Read(raw)
		doc := fmt.Appendf(nil, `{"n":%q}`, base64.StdEncoding.EncodeToString(raw))
		out[i] = ledger.Entry{Document: doc, Fact: vocab.Fact{Kind: vocab.KindOffering, Space: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
			ID: fmt.Sprintf("https://space.example/offerings/%d", i), Digest: vocab.DigestOf(doc), Content: vocab.DigestOf(doc[:9]), Created: time.Now()}}
	}
	return out
}

// BenchmarkAppend appends 3.8 KB entries with fsync always, by size of batch.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("batch=", n), func(b *testing.B) {
			w := newWorld(b)
			l := w.open("a")
			es := big(n)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				appendAll(b, l, es)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
			b.StopTimer()
			w.close(l)
		})
	}
}

// TestStartup prints what a start costs with LIANMU_STARTUP entries.
func TestStartup(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("LIANMU_STARTUP"), &n); err != nil {
		t.Skip("set LIANMU_STARTUP to a number of entries to measure a start")
	}
	w := newWorld(t)
	l := w.open("a")
	begin := time.Now()
	for done := 0; done < n; done += 1000 {
		appendAll(t, l, big(1000))
	}
	t.Logf("%d CPUs, %d entries of 3.8 KB appended in %v (generator included)", runtime.NumCPU(), n, time.Since(begin))
	w.close(l)
	w.stopBus()
	step := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%-28s %v", what, time.Since(begin).Round(time.Millisecond))
	}
	step("bus start", w.startBus)
	step("open with cache", func() { l = w.open("a") })
	step("facts", func() {
		for _, err := range l.Facts(t.Context(), 0, l.Size()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	step("read", func() {
		for _, err := range l.Read(t.Context(), 0, l.Size()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	step("verify", func() {
		r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), nil, nil)
		if err != nil || r.Faults > 0 || r.Checked != l.Size() {
			t.Fatal(r, err)
		}
	})
	w.close(l)
	if err := os.Remove(w.config("a").Dir + "/leaves"); err != nil {
		t.Fatal(err)
	}
	step("open without cache", func() { l = w.open("a") })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("heap %d MB", m.HeapAlloc>>20)
}

// TestRedactionCost prints what 1,000 redactions among LIANMU_STARTUP entries
// cost, and what they cost a start.
func TestRedactionCost(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("LIANMU_STARTUP"), &n); err != nil || n < 1000 {
		t.Skip("set LIANMU_STARTUP to a number of entries, at least 1,000, to measure redactions")
	}
	const redacted = 1000
	w := newWorld(t)
	l := w.open("a")
	for done := 0; done < n; done += 1000 {
		appendAll(t, l, big(1000))
	}
	step := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%-40s %v", what, time.Since(begin).Round(time.Millisecond))
	}
	var indexes []uint64
	for i := range uint64(redacted) {
		indexes = append(indexes, i*uint64(n)/redacted)
	}
	step("append redactions", func() { appendRedactions(t, l, indexes...) })
	step("delete bodies", func() {
		for _, i := range indexes {
			if err := l.Redact(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	})
	step("verify", func() {
		if r := verify(t, l); r.Faults != 0 || r.Redacted != redacted {
			t.Errorf("%+v", r)
		}
	})
	w.close(l)
	step("open with cache", func() { l = w.open("a") })
	w.close(l)
	if err := os.Remove(w.config("a").Dir + "/leaves"); err != nil {
		t.Fatal(err)
	}
	step("open without cache", func() { l = w.open("a") })
	if l.Size() != uint64(n+redacted) {
		t.Errorf("%d entries", l.Size())
	}
}

// BenchmarkExtend extends a mirror by batches of 1,000 entries of 3.8 KB.
func BenchmarkExtend(b *testing.B) {
	w := newWorld(b)
	l := w.open("a")
	appendAll(b, l, big(1000))
	es := mirrored(b, l, 0, 1000)
	m := w.mirror(l.VerifierKey(), "m")
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		extend(b, m, es)
	}
	b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkAccept accepts heartbeats: what one costs a mirror, and about what it
// costs the signer.
func BenchmarkAccept(b *testing.B) {
	w := newWorld(b)
	l := w.open("a")
	appendAll(b, l, big(10))
	m := w.mirror(l.VerifierKey(), "m")
	extend(b, m, mirrored(b, l, 0, 10))
	at, err := m.Root(10)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		w.clock.move(time.Minute)
		accept(b, m, w.claim(10, at, w.clock.now()))
	}
}

// BenchmarkRootWith computes the root over 65,536 more entries.
func BenchmarkRootWith(b *testing.B) {
	w := newWorld(b)
	l := w.open("a")
	appendAll(b, l, big(10))
	leaves := make([]byte, 0, 65536*ledger.LeafSize)
	for i := range 65536 {
		leaves = append(leaves, ledger.NewLeaf(vocab.KindOffering, time.UnixMilli(int64(i)), []byte{byte(i), byte(i >> 8)}).Bytes()...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := l.RootWith(leaves); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMirrorStartup prints what opening a mirror costs with LIANMU_STARTUP
// entries, half of them withheld and one in 1,000 filled later.
func TestMirrorStartup(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("LIANMU_STARTUP"), &n); err != nil {
		t.Skip("set LIANMU_STARTUP to a number of entries to measure a start")
	}
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, big(1000))
	es := mirrored(t, l, 0, 1000)
	full := es[1]
	for i := 1; i < len(es); i += 2 {
		es[i] = in(ledger.Withheld, "", es[i])
	}
	m := w.mirror(l.VerifierKey(), "m")
	for m.Size() < uint64(n) {
		extend(t, m, es)
	}
	accept(t, m, w.claim(m.Size(), root(t, m, m.Size()), w.clock.now()))
	begin := time.Now()
	for i := 1; i < n; i += 1000 {
		if err := m.Fill(t.Context(), uint64(i), full); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d late bodies in %v", (n+999)/1000, time.Since(begin))
	for _, name := range []string{"with the leaf cache", "without it"} {
		w.close(m)
		if name == "without it" {
			if err := os.Remove(filepath.Join(w.dir, "m", "leaves")); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		m = w.mirror(l.VerifierKey(), "m")
		t.Logf("%d entries opened %s in %v", m.Size(), name, time.Since(begin))
	}
	begin = time.Now()
	for _, err := range m.Facts(t.Context(), 0, m.Size()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("all facts read in %v", time.Since(begin))
}
