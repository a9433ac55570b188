package exchange

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
)

// BenchmarkFirstMirror copies a log of b.N signed offerings of about 1.4 KB from a
// hub's log on one embedded NATS into a mirror on another, through the codec of
// both transports but no network, with the real judge: entries/s, bytes on the
// wire over bytes of content, and the heap afterwards. Run it with
// -benchtime 100000x.
func BenchmarkFirstMirror(b *testing.B) {
	benchmark(b, false)
}

// BenchmarkRelayHop is the same from a mirror to a third hub.
func BenchmarkRelayHop(b *testing.B) {
	benchmark(b, true)
}

func benchmark(b *testing.B, relay bool) {
	w, p := newWorld(b), newPaper(b)
	text := make([]byte, 900)
	for i := range text {
		text[i] = "城市交通数据集面向公众abcdefghijk"[i*7%len("城市交通数据集面向公众abcdefghijk")] & 0x7f
		if text[i] < ' ' || text[i] == '"' || text[i] == '\\' {
			text[i] = 'x'
		}
	}
	space := identitytest.Key(b)
	for i := range b.N {
		text[i%900] = 'a' + byte(i%26)
		p.say(space, 1, m{"@type": "DataProduct", "@id": "https://space.example/" + time.Duration(i).String(), "title": "城市交通流量数据产品", "description": string(text)})
	}
	l := w.own(p, p.size())
	content := uint64(0)
	for i := range p.size() {
		content += uint64(len(p.documents[p.leaf(i).SHA256]))
	}
	q := *p
	q.vkey = l.VerifierKey()
	served := l
	if relay {
		f := newWorld(b).follow(&q, true)
		f.advance(b, NewClient(direct(w.serve(nil, l), approved)), true, l.Checkpoint())
		served = f.Log
	}
	f := newWorld(b).follow(&q, true)
	f.Appended = nil
	var wire atomic.Int64
	s := w.serve(nil, served)
	src := NewClient(askFunc(func(ctx context.Context, q Question, body []byte) ([]byte, error) {
		reply := s.Reply(ctx, approved, q, body)
		wire.Add(int64(len(reply) + len(body)))
		return reply, nil
	}))
	b.ResetTimer()
	begun := time.Now()
	f.advance(b, src, !relay, served.Checkpoint())
	took := time.Since(begun)
	b.StopTimer()
	if f.Log.Size() != p.size() {
		b.Fatalf("%d of %d", f.Log.Size(), p.size())
	}
	var heap runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heap)
	b.ReportMetric(float64(b.N)/took.Seconds(), "entries/s")
	b.ReportMetric(float64(wire.Load())/float64(content), "wire/content")
	b.ReportMetric(float64(heap.HeapAlloc)/(1<<20), "MB-heap")
	b.ReportMetric(float64(content)/float64(b.N), "B/document")
}

// BenchmarkRead is one document's reading by the judge: form, proof and shape.
func BenchmarkRead(b *testing.B) {
	w, p := newWorld(b), newPaper(b)
	p.offer(identitytest.Key(b), 1)
	f := w.follow(p, true)
	leaf := p.leaf(0)
	for b.Loop() {
		if _, err := f.Judge.Read(b.Context(), leaf, p.documents[leaf.SHA256]); err != nil {
			b.Fatal(err)
		}
	}
}
