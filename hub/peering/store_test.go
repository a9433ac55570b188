package peering

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/hub/bus"
)

// twoStores are two processes of one hub.
func twoStores(t *testing.T) (a, b *store, changes *atomic.Int32) {
	t.Helper()
	bu, err := bus.Start(t.Context(), bus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := bu.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	changes = &atomic.Int32{}
	var stores [2]*store
	for i := range stores {
		if stores[i], err = openStore(t.Context(), bu.Peers(), func() { changes.Add(1) }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stores[i].close)
	}
	return stores[0], stores[1], changes
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not so after 5 s: %s", what)
}

// Two processes that change the same peer at once lose neither change.
func TestStoreKeepsEveryChange(t *testing.T) {
	a, b, changes := twoStores(t)
	const did, each = "did:key:zA", 25
	failed := make(chan error, 2)
	for _, s := range []*store{a, b} {
		go func() {
			var err error
			for range each {
				_, cerr := s.changePeer(t.Context(), did, func(p *Peer, _ bool) error {
					p.DID = did
					p.Note += "x"
					return nil
				})
				err = errors.Join(err, cerr)
			}
			failed <- err
		}()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range map[string]*store{"a": a, "b": b} {
		soon(t, name+" has all changes", func() bool { p, _ := s.peer(did); return len(p.Note) == 2*each })
	}
	if changes.Load() < 2*each {
		t.Errorf("%d changes were told of", changes.Load())
	}
}

func TestStoreForgets(t *testing.T) {
	a, b, _ := twoStores(t)
	for i := range 3 {
		origin := fmt.Sprintf("lianmu/zA/%d", i+1)
		if _, err := a.changeMirror(t.Context(), origin, func(m *Mirror, known bool) error {
			if known {
				t.Error("known before")
			}
			*m = Mirror{Origin: origin, Added: noon.Add(time.Duration(i)), State: Current}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, "the other has them", func() bool { return len(b.allMirrors()) == 3 })
	if err := b.dropMirror(t.Context(), "lianmu/zA/2"); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.mirror("lianmu/zA/2"); ok {
		t.Error("it is still there")
	}
	soon(t, "gone at the other too", func() bool { _, ok := a.mirror("lianmu/zA/2"); return !ok })
	if all := a.allMirrors(); len(all) != 2 || all[0].Origin != "lianmu/zA/1" {
		t.Errorf("%+v", all)
	}
	// It can come again.
	if _, err := a.changeMirror(t.Context(), "lianmu/zA/2", func(m *Mirror, known bool) error {
		if known {
			t.Error("known, though it was dropped")
		}
		*m = Mirror{Origin: "lianmu/zA/2", State: Current}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	soon(t, "there again", func() bool { _, ok := b.mirror("lianmu/zA/2"); return ok })
}

// A change that is refused changes nothing.
func TestStoreRefused(t *testing.T) {
	a, _, _ := twoStores(t)
	no := errors.New("no")
	if _, err := a.changePeer(t.Context(), "did:key:zA", func(*Peer, bool) error { return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if all := a.allPeers(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
