package bus_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/hub/bus"
)

func TestMirrorStreams(t *testing.T) {
	dir := t.TempDir()
	b := start(t, bus.Config{Dir: dir})
	const origin, other = "lianmu/z6MkOne/1", "lianmu/z6MkTwo/1"
	if bus.MirrorID(origin) == bus.MirrorID(other) || len(bus.MirrorID(origin)) != 16 {
		t.Fatalf("ids %s and %s", bus.MirrorID(origin), bus.MirrorID(other))
	}
	for _, bad := range []string{"", strings.Repeat("x", 201)} {
		if _, err := b.MirrorStream(t.Context(), bad); err == nil {
			t.Errorf("a mirror of %q", bad)
		}
	}
	put := func(subject, origin string) {
		t.Helper()
		if _, err := b.JetStream.Publish(t.Context(), subject, []byte("x")); err != nil {
			t.Fatalf("%s: %v", origin, err)
		}
	}
	names := map[string]string{}
	for _, o := range []string{origin, other} {
		for range 2 {
			name, err := b.MirrorStream(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			names[o] = name
		}
		put(bus.MirrorPrefix+bus.MirrorID(o)+".offering", o)
		put(bus.LatePrefix+bus.MirrorID(o)+".7", o)
	}
	// A mirror's stream has every property of the log's.
	log, err := b.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := b.JetStream.Stream(t.Context(), names[origin])
	if err != nil {
		t.Fatal(err)
	}
	l, m := log.CachedInfo().Config, mirror.CachedInfo().Config
	if !m.DenyPurge || m.DenyDelete || m.AllowDirect != l.AllowDirect || m.AllowAtomicPublish != l.AllowAtomicPublish ||
		m.Discard != l.Discard || m.Retention != l.Retention || m.Storage != l.Storage || m.Compression != l.Compression || m.MaxAge != 0 {
		t.Errorf("a mirror's stream is %+v", m)
	}
	if mirror.Purge(t.Context()) == nil {
		t.Error("a mirror could be purged")
	}

	// Another log whose id is the same is not mixed in.
	m.Description = "mirror of somebody-else"
	if _, err := b.JetStream.UpdateStream(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := b.MirrorStream(t.Context(), origin); err == nil || !strings.Contains(err.Error(), "somebody-else") {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := b.DropMirror(t.Context(), origin); err != nil {
			t.Fatal(err)
		}
	}
	count := func(stream, subject string) uint64 {
		t.Helper()
		s, err := b.JetStream.Stream(t.Context(), stream)
		if err != nil {
			return 0
		}
		info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(subject))
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for _, k := range info.State.Subjects {
			n += k
		}
		return n
	}
	for o, want := range map[string]uint64{origin: 0, other: 1} {
		if n := count(names[o], ">"); n != want {
			t.Errorf("the stream of %s has %d messages", o, n)
		}
		if n := count(bus.LateStream, bus.LatePrefix+bus.MirrorID(o)+".*"); n != want {
			t.Errorf("%d bodies of %s came late", n, o)
		}
	}
	// One message a late body, as the first one counts.
	put(bus.LatePrefix+bus.MirrorID(other)+".7", other)
	if n := count(bus.LateStream, bus.LatePrefix+bus.MirrorID(other)+".*"); n != 1 {
		t.Errorf("%d bodies of one entry", n)
	}
	if _, err := b.Peers().Put(t.Context(), "peer", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	b = start(t, bus.Config{Dir: dir})
	if n := count(names[other], ">"); n != 1 {
		t.Errorf("%d messages after a restart", n)
	}
	if e, err := b.Peers().Get(t.Context(), "peer"); err != nil || string(e.Value()) != "{}" {
		t.Errorf("peers are gone: %v", err)
	}
}
