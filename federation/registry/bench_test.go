package registry

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"lianmu/vocab"
)

// The map of versions holds millions: a field more is 100 MB where there are
// ten million with their spare room.
func TestVersionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(version{}); size > 112 {
		t.Errorf("a version has %d bytes, it had 112", size)
	}
}

// filled is a registry of n offerings, of spaces that have two keys each.
func filled(n, spaces int) *Registry {
	r := New()
	r.Open()
	var index uint64
	add := func(e Entry) {
		e.Index, e.ReceivedAt = index, day0
		r.Apply(e)
		index++
	}
	for i := range spaces {
		a, b := did(fmt.Sprint(i)), did(fmt.Sprint(i, "b"))
		add(Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: a, ID: a, Created: day0}, Also: []string{b}, Space: &vocab.Space{Keys: []string{a, b}}})
	}
	for i := range n {
		f := vocab.Fact{
			Kind: offer, Space: did(fmt.Sprint(i % spaces)), ID: fmt.Sprint("https://space.example/", i), Created: day0, Expires: day0.Add(year),
			Digest: vocab.DigestOf(fmt.Append(nil, i)), Content: vocab.DigestOf(fmt.Append(nil, "c", i)),
		}
		if i%2 == 1 {
			f.Signer = did(fmt.Sprint(i%spaces, "b"))
		}
		add(Entry{Fact: f})
	}
	return r
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkMemory(b *testing.B) {
	for _, size := range []struct{ offerings, spaces int }{{200_000, 10}, {0, 20_000}} {
		b.Run(fmt.Sprintf("%d offerings, %d spaces", size.offerings, size.spaces), func(b *testing.B) {
			before := heap()
			r := filled(size.offerings, size.spaces)
			b.ReportMetric(float64(heap()-before)/float64(size.offerings+size.spaces), "bytes/entry")
			runtime.KeepAlive(r)
		})
	}
}

func BenchmarkRegistry(b *testing.B) {
	const n = 100_000
	r := filled(n, 10)
	now := day0.Add(time.Hour)
	b.Run("Decide", func(b *testing.B) {
		f := vocab.Fact{Kind: offer, Space: did("1b"), Created: day0.Add(time.Hour)}
		for i := 0; b.Loop(); i++ {
			f.ID, f.Digest[0], f.Digest[1], f.Digest[2] = fmt.Sprint("https://space.example/", i%n), byte(i), byte(i>>8), byte(i>>16)
			r.Begin().Decide(Entry{Fact: f})
		}
	})
	b.Run("MaySign", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.MaySign(did("1b")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Space", func(b *testing.B) {
		for b.Loop() {
			r.Space(did("1"))
		}
	})
	b.Run("Digest", func(b *testing.B) {
		for b.Loop() {
			r.Digest(now)
		}
	})
	b.Run("Offerings", func(b *testing.B) {
		for b.Loop() {
			for range r.Offerings(did("1")) {
			}
		}
	})
	b.Run("Compromise", func(b *testing.B) {
		e := Entry{Fact: vocab.Fact{Kind: vocab.KindAct}, Act: &vocab.Act{Verb: vocab.KeyCompromise, Space: did("1"), Key: did("1b")}}
		for b.Loop() {
			e.Index = r.Position()
			r.Apply(e)
		}
	})
}

// What a search asks of each hit: what stands under a key, in 1 log and in 20.
func BenchmarkUnionVersion(b *testing.B) {
	for _, logs := range []int{1, 20} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			own := filled(20_000, 100)
			own.SetOrigin("log/0")
			u := NewUnion(own)
			for i := 1; i < logs; i++ {
				r := New()
				r.Open()
				r.Apply(Entry{ReceivedAt: day0, Fact: vocab.Fact{Kind: vocab.KindOffering, Space: did(fmt.Sprint("other", i)), ID: "x", Created: day0}})
				u.Add(fmt.Sprint("log/", i), did(fmt.Sprint("hub", i)), r)
			}
			var keys []vocab.Key
			for k := range own.versions {
				keys = append(keys, k)
			}
			b.ResetTimer()
			for i := range b.N {
				if _, ok := u.Version(keys[i%len(keys)]); !ok {
					b.Fatal("gone")
				}
			}
		})
	}
}
