package peering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of what is kept.
const (
	maxPeers    = 200 // beside those that wait
	maxWaiting  = 100 // the one that has waited longest makes room
	maxLogs     = 500 // mirrors in all
	maxPeerLogs = 64  // mirrors first heard of from one peer
	kvTimeout   = 10 * time.Second
)

// Keys in the bucket.
const (
	peerPrefix   = "peer."   // + subject token of the DID
	mirrorPrefix = "mirror." // + bus.MirrorID of the origin
	towardPrefix = "toward." // likewise; not followed
)

// store is who the peers are and which logs are mirrored, as the bucket says:
// whichever process of the hub wrote there.
type store struct {
	kv      jetstream.KeyValue
	watch   jetstream.KeyWatcher
	changed func() // called after each change, by whoever brought it; must not block
	done    sync.WaitGroup

	mu      sync.Mutex // guards what follows; never held over I/O
	peers   map[string]kept[Peer]
	mirrors map[string]kept[Mirror] // by origin
}

// kept is a value and the revision of the bucket that it is from.
type kept[T any] struct {
	value    T
	revision uint64
}

func openStore(ctx context.Context, kv jetstream.KeyValue, changed func()) (*store, error) {
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return nil, err
	}
	s := &store{kv: kv, watch: w, changed: changed, peers: map[string]kept[Peer]{}, mirrors: map[string]kept[Mirror]{}}
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("the bucket of peers cannot be read")
			}
			if e == nil { // all that was there has come
				s.done.Go(func() {
					for e := range w.Updates() {
						if e != nil && s.hear(e) == nil {
							s.changed()
						}
					}
				})
				return s, nil
			}
			if err := s.hear(e); err != nil {
				return nil, errors.Join(err, w.Stop())
			}
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("reading the bucket of peers: %w", ctx.Err()), w.Stop())
		}
	}
}

func (s *store) close() {
	_ = s.watch.Stop()
	s.done.Wait()
}

// hear takes in what the bucket says, unless something newer is known.
func (s *store) hear(e jetstream.KeyValueEntry) error {
	gone := e.Operation() != jetstream.KeyValuePut
	var err error
	switch key := e.Key(); {
	case gone && strings.HasPrefix(key, peerPrefix):
		s.mu.Lock()
		defer s.mu.Unlock()
		for did, k := range s.peers {
			if peerKey(did) == key && k.revision < e.Revision() {
				delete(s.peers, did)
			}
		}
	case gone:
		s.mu.Lock()
		defer s.mu.Unlock()
		for origin, k := range s.mirrors {
			if mirrorKey(origin) == key && k.revision < e.Revision() {
				delete(s.mirrors, origin)
			}
		}
	case strings.HasPrefix(key, peerPrefix):
		var p Peer
		if err = json.Unmarshal(e.Value(), &p); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			newer(s.peers, p.DID, p, e.Revision())
		}
	case strings.HasPrefix(key, mirrorPrefix):
		var m Mirror
		if err = json.Unmarshal(e.Value(), &m); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			newer(s.mirrors, m.Origin, m, e.Revision())
		}
	}
	if err != nil {
		return fmt.Errorf("the bucket of peers, %s: %w", e.Key(), err)
	}
	return nil
}

func newer[T any](m map[string]kept[T], name string, value T, revision uint64) {
	if m[name].revision < revision {
		m[name] = kept[T]{value, revision}
	}
}

func peerKey(did string) string      { return peerPrefix + bus.SpaceToken(did) }
func mirrorKey(origin string) string { return mirrorPrefix + bus.MirrorID(origin) }

// peer returns what is known of a hub.
func (s *store) peer(did string) (Peer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.peers[did]
	return k.value, ok
}

// mirror returns what is known of a log.
func (s *store) mirror(origin string) (Mirror, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.mirrors[origin]
	return k.value, ok
}

// allPeers lists the peers: who waits last, the others in the order in which they
// were added.
func (s *store) allPeers() []Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Peer, 0, len(s.peers))
	for _, k := range s.peers {
		out = append(out, k.value)
	}
	slices.SortFunc(out, func(a, b Peer) int {
		if w := a.State == Waiting; w != (b.State == Waiting) {
			return map[bool]int{true: 1, false: -1}[w]
		}
		if c := a.Added.Compare(b.Added); c != 0 {
			return c
		}
		return strings.Compare(a.DID, b.DID)
	})
	return out
}

// waitingNow lists who waits, the one that has waited longest first.
func (s *store) waitingNow() []Peer {
	return slices.DeleteFunc(s.allPeers(), func(p Peer) bool { return p.State != Waiting })
}

// decidedPeers are those about whom somebody decided.
func (s *store) decidedPeers() []Peer {
	return slices.DeleteFunc(s.allPeers(), func(p Peer) bool { return p.State == Waiting })
}

// allMirrors lists the mirrored logs in the order in which they were added.
func (s *store) allMirrors() []Mirror {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Mirror, 0, len(s.mirrors))
	for _, k := range s.mirrors {
		out = append(out, k.value)
	}
	slices.SortFunc(out, func(a, b Mirror) int {
		if c := a.Added.Compare(b.Added); c != 0 {
			return c
		}
		return strings.Compare(a.Origin, b.Origin)
	})
	return out
}

// changePeer writes what change makes of a peer; of one not known it gets the
// zero Peer. An error of change leaves everything as it was.
func (s *store) changePeer(ctx context.Context, did string, change func(p *Peer, known bool) error) (Peer, error) {
	return alter(ctx, s, s.peers, did, peerKey(did), change)
}

// changeMirror likewise.
func (s *store) changeMirror(ctx context.Context, origin string, change func(m *Mirror, known bool) error) (Mirror, error) {
	return alter(ctx, s, s.mirrors, origin, mirrorKey(origin), change)
}

// alter retries where another process was quicker.
func alter[T any](ctx context.Context, s *store, in map[string]kept[T], name, key string, change func(*T, bool) error) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, kvTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		k, known := in[name]
		s.mu.Unlock()
		value := k.value
		if err := change(&value, known); err != nil {
			return k.value, err
		}
		b, err := json.Marshal(value)
		if err != nil {
			return k.value, err
		}
		var revision uint64
		if k.revision == 0 {
			revision, err = s.kv.Create(ctx, key, b)
		} else {
			revision, err = s.kv.Update(ctx, key, b, k.revision)
		}
		switch {
		case err == nil:
			s.mu.Lock()
			newer(in, name, value, revision)
			s.mu.Unlock()
			s.changed()
			return value, nil
		case !bus.Conflict(err):
			return k.value, unavailable(err)
		}
		// What the other one wrote may not have been heard of yet.
		e, gerr := s.kv.Get(ctx, key)
		if gerr == nil {
			gerr = s.hear(e)
		}
		if gerr != nil && !errors.Is(gerr, jetstream.ErrKeyNotFound) {
			return k.value, unavailable(errors.Join(err, gerr))
		}
		if errors.Is(gerr, jetstream.ErrKeyNotFound) {
			s.mu.Lock()
			delete(in, name)
			s.mu.Unlock()
		}
	}
}

// dropPeer forgets a peer.
func (s *store) dropPeer(ctx context.Context, did string) error {
	return forget(ctx, s, s.peers, did, peerKey(did))
}

// dropMirror forgets what is kept of a log beside the log.
func (s *store) dropMirror(ctx context.Context, origin string) error {
	return forget(ctx, s, s.mirrors, origin, mirrorKey(origin))
}

func forget[T any](ctx context.Context, s *store, in map[string]kept[T], name, key string) error {
	ctx, cancel := context.WithTimeout(ctx, kvTimeout)
	defer cancel()
	if err := s.kv.Purge(ctx, key); err != nil {
		return unavailable(err)
	}
	// What is followed tells when it is gone. Were it forgotten here at once, an
	// older write on its way would bring it back for a moment.
	for {
		s.mu.Lock()
		_, known := in[name]
		s.mu.Unlock()
		if !known {
			return nil
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return unavailable(ctx.Err())
		}
	}
}

func unavailable(err error) error {
	return fmt.Errorf("%w (%w)", vocab.Problems{vocab.NewProblem("", "hub.unavailable",
		"目录节点的存储暂时不可用，请稍后重试。", "The hub's store does not answer just now; try again later.")}, err)
}
