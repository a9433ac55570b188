package jsonld

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/piprate/json-gold/ld"
)

// parsed is a context list made ready. Everything in it is read-only: it is
// shared by every document with the same list.
type parsed struct {
	active *ld.Context
	plain  bool // it applies to the whole document, see type plain
	bill   bill
	price  price
	memory int // estimated bytes
}

// contextCache keeps parsed contexts, bounded by number and by memory: writers
// send contexts of their own, often a different one with each document.
type contextCache struct {
	limit int

	mu     sync.Mutex // guards what follows
	lru    *simplelru.LRU[[32]byte, *parsed]
	memory int
}

func newContextCache(entries, bytes int) *contextCache {
	c := &contextCache{limit: bytes}
	lru, err := simplelru.NewLRU(entries, func(_ [32]byte, p *parsed) { c.memory -= p.memory })
	if err != nil {
		panic(err) // only for a size below one
	}
	c.lru = lru
	return c
}

func (c *contextCache) get(key [32]byte) *parsed {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, _ := c.lru.Get(key)
	return p
}

func (c *contextCache) put(key [32]byte, p *parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru.Contains(key) { // two goroutines parsed the same
		return
	}
	c.memory += p.memory
	c.lru.Add(key, p)
	for c.memory > c.limit && c.lru.Len() > 1 {
		c.lru.RemoveOldest()
	}
}

// contextKey is the SHA-256 of a canonical encoding of a context: what a
// context means does not depend on the order of its members, and nobody can
// make two contexts that share an entry of the cache.
func contextKey(v any) [32]byte {
	var buf [2048]byte
	return sha256.Sum256(appendCanonical(buf[:0], v))
}

// appendCanonical writes v with a tag and a length before each part, so that
// different values never give the same bytes.
func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, 'n')
	case bool:
		if v {
			return append(b, 't')
		}
		return append(b, 'f')
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'd'), math.Float64bits(v))
	case string:
		b = binary.AppendUvarint(append(b, 's'), uint64(len(v)))
		return append(b, v...)
	case []any:
		b = binary.AppendUvarint(append(b, 'a'), uint64(len(v)))
		for _, e := range v {
			b = appendCanonical(b, e)
		}
		return b
	case map[string]any:
		var room [32]string
		names := room[:0]
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		b = binary.AppendUvarint(append(b, 'o'), uint64(len(v)))
		for _, name := range names {
			b = binary.AppendUvarint(b, uint64(len(name)))
			b = append(b, name...)
			b = appendCanonical(b, v[name])
		}
		return b
	}
	return append(b, '?') // not from JSON; the parser refuses it
}
