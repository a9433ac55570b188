package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

func (w *world) mirrorConfig(vkey, dir string) ledger.Config {
	w.t.Helper()
	stream, err := w.bus.MirrorStream(context.Background(), w.name)
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.config(dir)
	c.Stream, c.Subjects, c.Seed, c.VerifierKey = stream, "", nil, vkey
	return c
}

// mirror opens the mirror of the world's log in the same store.
func (w *world) mirror(vkey, dir string) *ledger.Log {
	w.t.Helper()
	m, err := ledger.OpenMirror(context.Background(), w.mirrorConfig(vkey, dir))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

// mirrored are the entries [from, to) of l as a mirror takes them.
func mirrored(t testing.TB, l *ledger.Log, from, to int) (out []ledger.Mirrored) {
	t.Helper()
	for r, err := range l.Read(context.Background(), uint64(from), uint64(to)) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ledger.Mirrored{Leaf: r.Leaf, Fact: r.Fact, Document: r.Document, State: r.State})
	}
	return out
}

// in puts an entry into a state.
func in(state ledger.EntryState, fault string, m ledger.Mirrored) ledger.Mirrored {
	m.State, m.Fault = state, fault
	if state != ledger.Held && state != ledger.Faulty {
		m.Document = nil
	}
	return m
}

func extend(t testing.TB, m *ledger.Log, entries []ledger.Mirrored) {
	t.Helper()
	if err := m.Extend(context.Background(), m.Size(), entries); err != nil {
		t.Fatal(err)
	}
}

func accept(t testing.TB, m *ledger.Log, note []byte) {
	t.Helper()
	if err := m.Accept(context.Background(), note); err != nil {
		t.Fatal(err)
	}
}

// claim is a checkpoint signed by the world's log key.
func (w *world) claim(size uint64, root tlog.Hash, at time.Time) []byte {
	w.t.Helper()
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: w.name, Size: size, Root: root, Time: at}, w.seed)
	if err != nil {
		w.t.Fatal(err)
	}
	return note
}

// level copies l into m to its end.
func level(t *testing.T, l, m *ledger.Log) {
	t.Helper()
	verify(t, l) // waits for the signature
	for m.Size() < l.Size() {
		extend(t, m, mirrored(t, l, int(m.Size()), int(m.Size())+ledger.MaxBatch))
	}
	accept(t, m, l.Checkpoint())
}

func root(t *testing.T, l *ledger.Log, size uint64) tlog.Hash {
	t.Helper()
	h, err := l.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMirrorReadsLikeItsLog(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 300))
	m := w.mirror(l.VerifierKey(), "m")
	if m.Checkpoint() != nil || m.Size() != 0 || m.Accepted().Note != nil {
		t.Fatal("a new mirror is not empty")
	}
	level(t, l, m)
	w.clock.move(time.Second)
	appendAll(t, l, entries(300, 400))
	level(t, l, m)

	check := func(name string, m *ledger.Log) {
		t.Helper()
		wantLog(t, m, 700)
		wantClean(t, m, 700)
		if !bytes.Equal(m.Checkpoint(), l.Checkpoint()) || m.Latest().Size != 700 || m.Origin() != l.Origin() || m.VerifierKey() != l.VerifierKey() {
			t.Errorf("%s: another checkpoint", name)
		}
		if a := m.Accepted(); !bytes.Equal(a.Note, l.Checkpoint()) || !a.Time.Equal(l.Latest().Time) {
			t.Errorf("%s: accepted %+v", name, a)
		}
		for _, path := range []string{"tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001"} {
			a, err1 := l.Tile(path)
			b, err2 := m.Tile(path)
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs: %v, %v", name, path, err1, err2)
			}
		}
		if n, first := m.Count(ledger.Missing), m.First(ledger.Missing); n != 0 || first != nil {
			t.Errorf("%s: lacks %v", name, first)
		}
	}
	check("at once", m)
	path := filepath.Join(w.dir, "m", "leaves")
	for name, damage := range map[string]func() error{
		"restarted":        func() error { return nil },
		"no leaf cache":    func() error { return os.Remove(path) },
		"half a cache":     func() error { return os.Truncate(path, 79*100+3) },
		"a byte of it":     func() error { return flip(path, 79*30+74) },
		"no folder at all": func() error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		w.close(m)
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		m = w.mirror(l.VerifierKey(), "m")
		check(name, m)
	}
	check("another process", w.mirror(l.VerifierKey(), "n"))

	if _, err := m.Append(t.Context(), 700, entries(700, 1)); !errors.Is(err, ledger.ErrReadOnly) || !strings.Contains(err.Error(), "another hub") {
		t.Errorf("append: %v", err)
	}
	if m.ReadOnly() != nil {
		t.Error("a mirror that is well calls itself read-only")
	}
	for name, err := range map[string]error{
		"extend": l.Extend(t.Context(), 700, mirrored(t, l, 0, 1)), "accept": l.Accept(t.Context(), l.Checkpoint()),
		"fill": l.Fill(t.Context(), 0, mirrored(t, l, 0, 1)[0]), "witness": m.Witness(t.Context(), l.Latest()),
	} {
		if err == nil {
			t.Errorf("%s works on the wrong log", name)
		}
	}
}

func TestExtendRefuses(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	w.clock.move(time.Hour)
	appendAll(t, l, entries(10, 10))
	es := mirrored(t, l, 0, 20)
	m := w.mirror(l.VerifierKey(), "m")
	with := func(change func(*ledger.Mirrored)) []ledger.Mirrored {
		e := es[0]
		change(&e)
		return []ledger.Mirrored{e}
	}
	half := func(m *ledger.Mirrored) {
		m.Document = bytes.Repeat([]byte{' '}, 600<<10)
		m.Leaf = ledger.NewLeaf(vocab.KindOffering, m.Leaf.ReceivedAt, m.Document)
		m.Fact = vocab.Fact{Kind: m.Leaf.Kind, Digest: m.Leaf.SHA256}
	}
	for name, tc := range map[string][]ledger.Mirrored{
		"nothing":                nil,
		"too many":               slices.Repeat(es[:1], ledger.MaxBatch+1),
		"too many bytes":         slices.Repeat(with(half), 20),
		"another document":       with(func(m *ledger.Mirrored) { m.Document = es[1].Document }),
		"held without document":  with(func(m *ledger.Mirrored) { m.Document = nil }),
		"faulty without reason":  with(func(m *ledger.Mirrored) { m.Document, m.State = nil, ledger.Faulty }),
		"withheld with document": with(func(m *ledger.Mirrored) { m.State = ledger.Withheld }),
		"missing with document":  with(func(m *ledger.Mirrored) { m.State = ledger.Missing }),
		"redacted with document": with(func(m *ledger.Mirrored) { m.State = ledger.Redacted }),
		"an unknown state":       with(func(m *ledger.Mirrored) { m.State = 9 }),
		"a fault of what stands": with(func(m *ledger.Mirrored) { m.Fault = "x" }),
		"a long fault":           with(func(m *ledger.Mirrored) { m.State, m.Fault = ledger.Faulty, strings.Repeat("x", ledger.MaxFault+1) }),
		"another's fact":         with(func(m *ledger.Mirrored) { m.Fact = es[1].Fact }),
		"another kind":           with(func(m *ledger.Mirrored) { m.Fact.Kind = vocab.KindAct }),
		"a long id":              with(func(m *ledger.Mirrored) { m.Fact.ID = strings.Repeat("x", 1<<16) }),
		"back in time":           {es[10], es[0]},
		"an unknown kind held": with(func(m *ledger.Mirrored) {
			m.Leaf = ledger.NewLeaf(99, m.Leaf.ReceivedAt, m.Document)
			m.Fact = vocab.Fact{Kind: 99, Digest: m.Leaf.SHA256}
		}),
	} {
		if err := m.Extend(t.Context(), 0, tc); !errors.Is(err, ledger.ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	extend(t, m, es[10:])
	if err := m.Extend(t.Context(), 10, es[:1]); !errors.Is(err, ledger.ErrEntry) {
		t.Errorf("before the last one: %v", err)
	}
	for _, expect := range []uint64{0, 9, 11} {
		if err := m.Extend(t.Context(), expect, es[19:]); !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("at %d: %v", expect, err)
		}
	}
	if m.Size() != 10 {
		t.Errorf("size %d", m.Size())
	}
	for _, c := range []func(*ledger.Config){
		func(c *ledger.Config) { c.VerifierKey = "nonsense" },
		func(c *ledger.Config) { c.Origin = "another" },
		func(c *ledger.Config) { c.Origin = "a b" },
		func(c *ledger.Config) { c.Stream = "" },
	} {
		config := w.mirrorConfig(l.VerifierKey(), "o")
		c(&config)
		if m, err := ledger.OpenMirror(t.Context(), config); err == nil {
			t.Errorf("opened %s", m.Origin())
		}
	}
}

// An entry in every state, and what each way of reading gives of it.
func TestStatesOfEntries(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 6))
	strange := ledger.NewLeaf(200, w.clock.now(), []byte("later than this program"))
	es := mirrored(t, l, 0, 6)
	states := []ledger.Mirrored{
		es[0], in(ledger.Withheld, "", es[1]), in(ledger.Redacted, "", es[2]), in(ledger.Missing, "nobody gave it", es[3]),
		in(ledger.Faulty, "签名不对\r\nEvil: 1", es[4]), {Leaf: strange, Document: []byte("later than this program"), State: ledger.Faulty, Fault: "kind 200 is unknown"},
		{Leaf: ledger.NewLeaf(vocab.KindOffering, w.clock.now(), nil), State: ledger.Faulty, Fault: "empty"},
		{Leaf: ledger.NewLeaf(vocab.KindOffering, w.clock.now(), []byte("绝密")), State: ledger.Faulty, Fault: "it must be nowhere"},
	}
	m := w.mirror(l.VerifierKey(), "m")
	extend(t, m, states)
	accept(t, m, w.claim(8, root(t, m, 8), w.clock.now()))
	check := func(name string, m *ledger.Log) {
		t.Helper()
		i := 0
		for r, err := range m.Read(t.Context(), 0, 8) {
			want := states[i]
			bare := vocab.Fact{Kind: want.Leaf.Kind, Digest: want.Leaf.SHA256}
			if err != nil || r.State != want.State || r.Fault != want.Fault || r.Leaf != want.Leaf || r.Redacted {
				t.Fatalf("%s: entry %d is %+v, %v", name, i, r, err)
			}
			switch want.State {
			case ledger.Held:
				if r.Fact != want.Fact || !bytes.Equal(r.Document, want.Document) || r.Evidence != nil {
					t.Errorf("%s: entry %d is %+v", name, i, r)
				}
			case ledger.Faulty:
				document, fault, err := m.Evidence(t.Context(), uint64(i))
				if r.Fact != bare || r.Document != nil || !bytes.Equal(r.Evidence, want.Document) || err != nil || !bytes.Equal(document, want.Document) || fault != want.Fault {
					t.Errorf("%s: entry %d is %+v, %q, %v", name, i, r, fault, err)
				}
			default:
				if r.Fact != bare || r.Document != nil || r.Evidence != nil {
					t.Errorf("%s: entry %d is %+v", name, i, r)
				}
				if _, _, err := m.Evidence(t.Context(), uint64(i)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: evidence of entry %d: %v", name, i, err)
				}
			}
			i++
		}
		for state, want := range map[ledger.EntryState][]uint64{
			ledger.Held: {0}, ledger.Withheld: {1}, ledger.Redacted: {2}, ledger.Missing: {3}, ledger.Faulty: {4, 5, 6, 7},
		} {
			if n, first := m.Count(state), m.First(state); n != len(want) || !slices.Equal(first, want) {
				t.Errorf("%s: %s are %v", name, state, first)
			}
		}
		for r, err := range m.Facts(t.Context(), 0, 8) {
			if err != nil || r.State != states[r.Index].State || r.Document != nil || r.Evidence != nil {
				t.Errorf("%s: facts of %d: %+v, %v", name, r.Index, r, err)
			}
		}
		// Of the rest, what is redacted without a redaction, and missing, are faults.
		report, err := ledger.Verify(t.Context(), m.Source(), m.VerifierKey(), nil, nil)
		if err != nil || report.Withheld != 2 || report.Faults != 2 || !strings.HasPrefix(report.Problems[0], "entry 2") || !strings.HasPrefix(report.Problems[1], "entry 3") {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	check("at once", m)
	w.close(m)
	m = w.mirror(l.VerifierKey(), "m")
	check("restarted", m)
	check("another process", w.mirror(l.VerifierKey(), "n"))
}

func TestAccept(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 20))
	verify(t, l)
	m := w.mirror(l.VerifierKey(), "m")
	if err := m.Accept(t.Context(), l.Checkpoint()); !errors.Is(err, ledger.ErrBehind) {
		t.Errorf("before the entries: %v", err)
	}
	extend(t, m, mirrored(t, l, 0, 20))
	now := w.clock.now()
	at := func(size uint64, d time.Duration) []byte { return w.claim(size, root(t, m, size), now.Add(d)) }
	other := tlog.Hash{1, 2, 3}
	accept(t, m, at(10, 0))
	if n := m.Latest().Size; n != 10 || m.Size() != 20 {
		t.Errorf("published %d of %d", n, m.Size())
	}
	// The process ends between Extend and Accept: nothing is fetched twice.
	w.close(m)
	m = w.mirror(l.VerifierKey(), "m")
	if n := m.Latest().Size; n != 10 || m.Size() != 20 {
		t.Errorf("after a restart: published %d of %d", n, m.Size())
	}
	if _, err := m.Tile("tile/0/000.p/11"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tile beyond what was accepted: %v", err)
	}
	if _, err := m.Leaves(10, 11); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("leaf records beyond what was accepted: %v", err)
	}
	foreign, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: w.name, Size: 20, Root: root(t, m, 20), Time: now}, bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	contradicts := func(err error) bool {
		var c *ledger.Contradiction
		return errors.As(err, &c) && errors.Is(err, ledger.ErrContradiction) && bytes.Equal(c.Have, m.Accepted().Note) && c.Got != nil && c.Why != ""
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	other1 := func(err error) bool {
		return err != nil && !errors.Is(err, ledger.ErrContradiction) && !errors.Is(err, ledger.ErrOlder) && !errors.Is(err, ledger.ErrBehind)
	}
	for _, tc := range []struct {
		name string
		note []byte
		want func(error) bool
	}{
		{"the same again", at(10, 0), is(nil)},
		{"the same, later", at(10, time.Minute), is(nil)},
		{"the same, before", at(10, 30*time.Second), is(ledger.ErrOlder)},
		{"fewer entries", at(9, time.Hour), is(ledger.ErrOlder)},
		{"none", at(0, time.Hour), is(ledger.ErrOlder)},
		{"fewer with another root", w.claim(9, other, now), contradicts},
		{"as many with another root", w.claim(10, other, now.Add(time.Hour)), contradicts},
		{"more with another root", w.claim(15, other, now), contradicts},
		{"more than there are", w.claim(21, other, now), is(ledger.ErrBehind)},
		{"another key", foreign, other1},
		{"garbage", []byte("x"), other1},
		{"nothing", nil, other1},
		{"too long", append(at(15, 0), bytes.Repeat([]byte("— x AAAA\n"), 500)...), other1},
		{"more", at(15, 0), is(nil)},
		{"all, before in time", at(20, -time.Hour), is(nil)},
		{"a clock in the future", at(20, 24*time.Hour), is(nil)},
		{"the clock was put right", at(20, time.Minute), is(nil)},
	} {
		if err := m.Accept(t.Context(), tc.note); !tc.want(err) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for name, tc := range map[string]struct {
		note []byte
		want func(error) bool
	}{
		"held":               {at(3, 0), is(nil)},
		"all":                {at(20, 0), is(nil)},
		"beyond":             {w.claim(30, other, now), is(nil)},
		"another root":       {w.claim(3, other, now), contradicts},
		"another root at 20": {w.claim(20, other, now), contradicts},
	} {
		cp, err := ledger.ParseCheckpoint(tc.note, m.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Compare(cp); !tc.want(err) {
			t.Errorf("comparing %s: %v", name, err)
		}
	}
	if err := m.Compare(ledger.Checkpoint{Origin: "another"}); err == nil || errors.Is(err, ledger.ErrContradiction) {
		t.Errorf("comparing another log's: %v", err)
	}
	last := m.Checkpoint()
	w.close(m)
	if m = w.mirror(l.VerifierKey(), "m"); !bytes.Equal(m.Checkpoint(), last) || m.Latest().Size != 20 {
		t.Errorf("after a restart: %q", m.Checkpoint())
	}
	// Forgotten, anything goes.
	w.close(m)
	for range 2 {
		if err := ledger.ForgetMirror(t.Context(), filepath.Join(w.dir, "m"), w.bus.State(), w.name); err != nil {
			t.Fatal(err)
		}
	}
	if m = w.mirror(l.VerifierKey(), "m"); m.Checkpoint() != nil || m.Accepted().Note != nil || m.Size() != 20 {
		t.Error("it remembers")
	}
}
