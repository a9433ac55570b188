package ledger_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
)

// Two processes of a hub feed one mirror.
func TestMirrorOfTwoProcesses(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 40))
	a, b := w.mirror(l.VerifierKey(), "m"), w.mirror(l.VerifierKey(), "n")
	extend(t, a, mirrored(t, l, 0, 20))
	if err := b.Extend(t.Context(), 0, mirrored(t, l, 0, 20)); !errors.Is(err, ledger.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	wantLog(t, b, 20) // the refused one has read what was in its way
	extend(t, b, mirrored(t, l, 20, 40))
	accept(t, b, l.Checkpoint())
	// a knows neither entries nor checkpoint yet.
	if err := a.Accept(t.Context(), w.claim(20, root(t, a, 20), w.clock.now())); !errors.Is(err, ledger.ErrOlder) {
		t.Errorf("got %v", err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLog(t, a, 40)
	if !bytes.Equal(a.Checkpoint(), l.Checkpoint()) {
		t.Errorf("a has %q", a.Checkpoint())
	}
	accept(t, a, l.Checkpoint())
	// What contradicts is seen by both.
	var fork *ledger.Contradiction
	if err := a.Accept(t.Context(), w.claim(40, tlog.Hash{5}, w.clock.now())); !errors.As(err, &fork) {
		t.Errorf("got %v", err)
	}
}

// The store of a mirror was restored from an older copy, or dropped.
func TestMirrorThatLostItsEnd(t *testing.T) {
	for name, keep := range map[string]int{"all": 0, "the half": 20, "an unaccepted end": 40} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open("a")
			appendAll(t, l, entries(0, 50))
			verify(t, l)
			es := mirrored(t, l, 0, 50)
			note := l.Checkpoint()
			vkey := l.VerifierKey()
			w.close(l)
			m := w.mirror(vkey, "m")
			if keep > 0 {
				extend(t, m, es[:keep])
				accept(t, m, w.claim(20, root(t, m, 20), w.clock.now()))
			}
			w.close(m)
			w.stopBus()
			w.backup("nats", "old")
			w.startBus()
			m = w.mirror(vkey, "m")
			extend(t, m, es[keep:])
			accept(t, m, note)
			w.close(m)
			w.stopBus()
			w.restore("old", "nats")
			w.startBus()

			m = w.mirror(vkey, "m")
			if m.ReadOnly() != nil || m.Size() != uint64(keep) || m.Checkpoint() != nil || !bytes.Equal(m.Accepted().Note, note) {
				t.Fatalf("it has %d, shows %q, goes by %q: %v", m.Size(), m.Checkpoint(), m.Accepted().Note, m.ReadOnly())
			}
			fork := w.claim(50, tlog.Hash{4}, w.clock.now())
			if err := m.Accept(t.Context(), fork); !errors.Is(err, ledger.ErrContradiction) {
				t.Errorf("a fork of what is lost: %v", err)
			}
			cp, err := ledger.ParseCheckpoint(fork, vkey)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Compare(cp); !errors.Is(err, ledger.ErrContradiction) {
				t.Errorf("compared with what is lost: %v", err)
			}
			extend(t, m, es[keep:])
			accept(t, m, note)
			wantLog(t, m, 50)
			wantClean(t, m, 50)
		})
	}
}

// It is fetched again, from a log that is another now.
func TestMirrorFetchedAgainFromAFork(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	m := w.mirror(l.VerifierKey(), "m")
	level(t, l, m)
	have := m.Checkpoint()
	w.close(m)
	for range 2 {
		if err := w.bus.DropMirror(t.Context(), w.name); err != nil {
			t.Fatal(err)
		}
	}
	m = w.mirror(l.VerifierKey(), "m")
	appendAll(t, l, entries(10, 10))
	extend(t, m, mirrored(t, l, 5, 20)) // as if the first five had never been
	got := w.claim(15, root(t, m, 15), w.clock.now())
	var fork *ledger.Contradiction
	if err := m.Accept(t.Context(), got); !errors.As(err, &fork) || !bytes.Equal(fork.Have, have) || !bytes.Equal(fork.Got, got) {
		t.Fatalf("got %v", err)
	}
	if m.Checkpoint() != nil {
		t.Error("it is published")
	}
	w.close(m)
	// Now the store itself is at odds with what was accepted.
	if m = w.mirror(l.VerifierKey(), "m"); m.ReadOnly() == nil || !strings.Contains(m.ReadOnly().Error(), "purge this mirror") {
		t.Errorf("opened: %v", m.ReadOnly())
	}
	for name, err := range map[string]error{
		"extend": m.Extend(t.Context(), 15, mirrored(t, l, 19, 20)), "accept": m.Accept(t.Context(), l.Checkpoint()), "sync": m.Sync(t.Context()),
	} {
		if !errors.Is(err, ledger.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// That says nothing about the log that it is of.
	if err := m.Compare(l.Latest()); err != nil {
		t.Errorf("compared: %v", err)
	}
}

func TestMirrorRolledBackWhileOpen(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	m := w.mirror(l.VerifierKey(), "m")
	level(t, l, m)
	w.close(l)
	if err := w.bus.JetStream.DeleteStream(t.Context(), bus.MirrorStreams+bus.MirrorID(w.name)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.bus.MirrorStream(t.Context(), w.name); err != nil {
		t.Fatal(err)
	}
	if err := m.Sync(t.Context()); !errors.Is(err, ledger.ErrReadOnly) || !errors.Is(err, ledger.ErrShorter) || !strings.Contains(err.Error(), "fetched again") {
		t.Errorf("got %v", err)
	}
	w.close(m)
	if m = w.mirror(l.VerifierKey(), "m"); m.ReadOnly() != nil || m.Size() != 0 {
		t.Errorf("restarted: %d, %v", m.Size(), m.ReadOnly())
	}
}
