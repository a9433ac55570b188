package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"iter"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lianmu/federation/identity"
)

// maxFleet is how many spaces a load may have: each has a connection.
const maxFleet = 1000

// fleet is the spaces that a load is published for: throw-away keys, made in
// process and kept nowhere, each with a connection of its own.
type fleet struct {
	keys    []*identity.Key
	senders []*natsSender
	created []creations
	expires time.Duration
	now     func() time.Time
}

func newFleet(n int, now func() time.Time) (*fleet, error) {
	f := &fleet{created: make([]creations, n), expires: 365 * 24 * time.Hour, now: now}
	for range n {
		k, err := identity.NewKey("ed25519")
		if err != nil {
			return nil, err
		}
		f.keys = append(f.keys, k)
	}
	return f, nil
}

// dial connects every space, at a pace that a hub does not take for an attack.
func (f *fleet) dial(ctx context.Context, hub string, as caller) error {
	pace := rate.NewLimiter(50, 20)
	for _, key := range f.keys {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		as.Key = key
		s, err := dialNATS(ctx, hub, as)
		if err != nil {
			return err
		}
		f.senders = append(f.senders, s)
	}
	return nil
}

func (f *fleet) close() {
	for _, s := range f.senders {
		s.Close()
	}
}

// sender is the connection of who signs the i-th document.
func (f *fleet) sender(i int) *natsSender { return f.senders[i%len(f.senders)] }

// key is who signs the i-th document.
func (f *fleet) key(i int) *identity.Key { return f.keys[i%len(f.keys)] }

// options are what the i-th document is signed with; for one goroutine.
func (f *fleet) options(i int) identity.SignOptions {
	at := f.created[i%len(f.keys)].next(f.now(), strconv.Itoa(i))
	return identity.SignOptions{Created: at, Expires: at.Add(f.expires)}
}

// spool is documents in a temporary file, so that a load of any size is made
// before the clock starts without holding it in memory.
type spool struct {
	file  *os.File
	count int
	bytes int64
}

func (s *spool) remove() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// fillSpool makes count documents, signed where signed says so, on as many
// cores as there are workers.
func fillSpool(ctx context.Context, g *synthesis, f *fleet, count, workers int, signed bool, tick func(int)) (_ *spool, err error) {
	file, err := os.CreateTemp("", "lianmu-load-*")
	if err != nil {
		return nil, err
	}
	s := &spool{file: file}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	out := bufio.NewWriterSize(file, 1<<20)
	const chunk = 512
	docs := make([][]byte, 0, chunk)
	for start := 0; start < count; start += chunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		docs = docs[:0]
		options := make([]identity.SignOptions, 0, chunk)
		for i := start; i < min(start+chunk, count); i++ {
			raw, err := g.offering(i) // one goroutine: the generator's draws are in order
			if err != nil {
				return nil, err
			}
			docs, options = append(docs, raw), append(options, f.options(i))
		}
		if signed {
			if err := signAll(docs, options, f, start, workers); err != nil {
				return nil, err
			}
		}
		for _, raw := range docs {
			if err := s.put(out, raw); err != nil {
				return nil, err
			}
		}
		tick(s.count)
	}
	return s, out.Flush()
}

func signAll(docs [][]byte, options []identity.SignOptions, f *fleet, start, workers int) error {
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < len(docs); i += workers {
				signed, err := identity.Sign(docs[i], f.key(start+i), options[i])
				if err != nil {
					errs[w] = err
					return
				}
				docs[i] = signed
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) put(w io.Writer, raw []byte) error {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(raw)))
	s.count++
	s.bytes += int64(len(raw))
	if _, err := w.Write(n[:]); err != nil {
		return err
	}
	_, err := w.Write(raw)
	return err
}

// all yields the documents in order.
func (s *spool) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, 1<<62), 1<<20)
		var n [4]byte
		for range s.count {
			if _, err := io.ReadFull(r, n[:]); err != nil {
				yield(nil, err)
				return
			}
			raw := make([]byte, binary.BigEndian.Uint32(n[:]))
			_, err := io.ReadFull(r, raw)
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}
