package hub_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"lianmu/federation/exchange"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

var (
	relays = peering.Terms{Relays: true}
	caller = peering.Caller{DID: "did:key:zStranger"}
)

func invite(w *town) peering.Invite { return peering.Invite{Card: w.peers().Card()} }

// always answers the same, whatever the question.
func always(b []byte) ill {
	return func(w http.ResponseWriter, _ *http.Request, _ func() []byte) { _, _ = w.Write(b) }
}

// altered passes on another answer than the right one.
func altered(change func(right []byte) []byte) ill {
	return func(w http.ResponseWriter, _ *http.Request, right func() []byte) { _, _ = w.Write(change(right())) }
}

// endless answers until nobody reads it any more; sent counts bytes.
func endless(sent *atomic.Int64) ill {
	return func(w http.ResponseWriter, _ *http.Request, _ func() []byte) {
		b := bytes.Repeat([]byte{1}, 64<<10)
		for sent.Load() < 256<<20 {
			n, err := w.Write(b)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}

// bomb unfolds to far more than an answer may.
func bomb() ill { return always(append([]byte{1}, pack(make([]byte, 128<<20))...)) }

// halved announces the right answer and closes in the middle of it.
func halved(w http.ResponseWriter, _ *http.Request, right func() []byte) {
	b := right()
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b[:len(b)/2])
	panic(http.ErrAbortHandler)
}

// hangsUp closes without an answer.
func hangsUp(http.ResponseWriter, *http.Request, func() []byte) { panic(http.ErrAbortHandler) }

// drips answers rightly, one byte a second.
func drips(w http.ResponseWriter, r *http.Request, right func() []byte) {
	for _, b := range right() {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Second):
		}
		if _, err := w.Write([]byte{b}); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // whoever left needs none
	}
}

// silent never answers.
func silent(_ http.ResponseWriter, r *http.Request, _ func() []byte) { <-r.Context().Done() }

// go-between passes questions on to a hub, and answers back, in its name: the
// hub's card gives the go-between's address. What it passes on it can change.
type between struct {
	*httptest.Server
	to atomic.Pointer[string] // address of the hub; nil: nowhere

	mu     sync.Mutex
	change func(question string, asked, answer []byte) []byte
}

// behind starts a hub that peers reach through a go-between alone.
func behind(t *testing.T, name, seed string, change ...func(*hub.Config)) (*town, *between) {
	t.Helper()
	b := &between{}
	b.Server = httptest.NewServer(b)
	t.Cleanup(func() { b.CloseClientConnections(); b.Server.Close() })
	w := settle(t, name, seed, append(change, func(c *hub.Config) { c.Peering.Addresses = []string{b.URL} })...)
	b.to.Store(&w.info.HTTP)
	return w, b
}

// lies has it change answers from here on.
func (b *between) lies(change func(question string, asked, answer []byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change = change
}

// ServeHTTP implements http.Handler.
func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	to := b.to.Load()
	if err != nil || to == nil {
		panic(http.ErrAbortHandler)
	}
	q, err := http.NewRequestWithContext(r.Context(), r.Method, *to+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	q.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	b.mu.Lock()
	change := b.change
	b.mu.Unlock()
	if change != nil && resp.StatusCode == http.StatusOK {
		answer = change(strings.TrimPrefix(r.URL.Path, exchange.PathPrefix), body, answer)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// givenInstead changes an answer to a question for documents: other is what is
// given of a document instead, by its place in the answer.
func givenInstead(answer []byte, other func(i int) (b []byte, ok bool)) []byte {
	raw, err := unpacking().DecodeAll(answer[1:], nil)
	if err != nil || answer[0] != 1 {
		return answer
	}
	var out []byte
	for i := 0; len(raw) >= 5; i++ {
		n := 5 + binary.BigEndian.Uint32(raw[1:])
		if b, ok := other(i); ok {
			out = append(out, written(map[vocab.Digest][]byte{{}: b}, vocab.Digest{})...)
		} else {
			out = append(out, raw[:n]...)
		}
		raw = raw[n:]
	}
	return append([]byte{1}, pack(out)...)
}

var packing = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithWindowSize(4<<20))
	if err != nil {
		panic(err) // its options are constants
	}
	return e
})

func pack(raw []byte) []byte { return packing().EncodeAll(raw, nil) }

var unpacking = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		panic(err) // likewise
	}
	return d
})
