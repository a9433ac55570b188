package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
)

// An entry that came as faulty and, judged anew, may stand is read as held from
// then on, in every process; a redaction deletes both copies of its body.
func TestFillOfAFaultyEntry(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 4))
	good := mirrored(t, l, 0, 4)
	es := slices.Clone(good)
	for i := range es {
		es[i] = in(ledger.Faulty, "nobody had admitted its signer", es[i])
	}
	m := w.mirror(l.VerifierKey(), "m")
	extend(t, m, es)
	other := w.mirror(l.VerifierKey(), "n")
	for range 2 { // repeating is harmless
		for _, i := range []uint64{1, 2} {
			if err := m.Fill(t.Context(), i, good[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Fill(t.Context(), 0, es[0]); !errors.Is(err, ledger.ErrEntry) {
		t.Errorf("faulty again: %v", err)
	}
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.close(m)
	m = w.mirror(l.VerifierKey(), "m")
	for name, m := range map[string]*ledger.Log{"another process": other, "restarted": m} {
		for r, err := range m.Read(t.Context(), 0, 4) {
			want := ledger.Faulty
			if r.Index == 1 || r.Index == 2 {
				want = ledger.Held
			}
			leaf, state, ok := m.At(r.Index)
			if err != nil || r.State != want || state != want || !ok || leaf != r.Leaf ||
				want == ledger.Held && (!bytes.Equal(r.Document, good[r.Index].Document) || r.Fact != good[r.Index].Fact || r.Fault != "") {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		if _, _, ok := m.At(4); ok {
			t.Errorf("%s: there is no entry 4", name)
		}
	}
	appendRedactions(t, l, 1, 3)
	extend(t, m, mirrored(t, l, 4, 6))
	for _, i := range []uint64{1, 3} {
		if err := m.Redact(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		if _, state, _ := m.At(i); state != ledger.Redacted {
			t.Errorf("entry %d is %s", i, state)
		}
	}
	for _, text := range []string{"数据产品 1\"", "数据产品 3\""} {
		if found := w.inMirror(text); found != nil {
			t.Errorf("%s is still in %v", text, found)
		}
	}
	if r, err := m.Get(t.Context(), 2); err != nil || r.State != ledger.Held {
		t.Errorf("%+v, %v", r, err)
	}
}

// So it is where the body came late, and was faulty then: it is nowhere twice.
func TestFillOfALateFaultyEntry(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 2))
	good := mirrored(t, l, 0, 2)
	m := w.mirror(l.VerifierKey(), "m")
	extend(t, m, []ledger.Mirrored{in(ledger.Withheld, "", good[0]), in(ledger.Missing, "nobody gave it", good[1])})
	for i := range uint64(2) {
		if err := m.Fill(t.Context(), i, in(ledger.Faulty, "nobody had admitted its signer", good[i])); err != nil {
			t.Fatal(err)
		}
	}
	other := w.mirror(l.VerifierKey(), "n")
	for i := range uint64(2) {
		if err := m.Fill(t.Context(), i, good[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*ledger.Log{"at once": m, "another process": other, "a later one": w.mirror(l.VerifierKey(), "o")} {
		for r, err := range m.Read(t.Context(), 0, 2) {
			if err != nil || r.State != ledger.Held || r.Fault != "" || !bytes.Equal(r.Document, good[r.Index].Document) {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
	}
	appendRedactions(t, l, 1)
	extend(t, m, mirrored(t, l, 2, 3))
	if err := m.Redact(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if found := w.inMirror("数据产品 1\""); found != nil {
		t.Errorf("it is still in %v", found)
	}
}

// Bodies that came late are read together where they stand together, whatever lies
// between them, and none is lost where they do not.
func TestLateBodiesAreReadTogether(t *testing.T) {
	const n = 60
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, n))
	es := mirrored(t, l, 0, n)
	m := w.mirror(l.VerifierKey(), "m")
	lacking := slices.Clone(es)
	for i := range lacking {
		lacking[i] = in(ledger.Withheld, "", es[i])
	}
	extend(t, m, lacking)
	// The first forty in order but for every fourth, which comes last; the others
	// backwards, which is no order in which they could be read together.
	var order []int
	for i := range 40 {
		if i%4 != 3 {
			order = append(order, i)
		}
	}
	for i := 3; i < 40; i += 4 {
		order = append(order, i)
	}
	for i := n - 1; i >= 40; i-- {
		order = append(order, i)
	}
	for _, i := range order {
		if err := m.Fill(t.Context(), uint64(i), es[i]); err != nil {
			t.Fatal(err)
		}
	}
	// Who asks the stream of late bodies is heard here, too.
	asked, err := w.bus.JetStream.Conn().SubscribeSync("$JS.API.DIRECT.GET." + bus.LateStream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asked.Unsubscribe() }()
	if err := w.bus.JetStream.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	read := func(from, to uint64) (requests int) {
		t.Helper()
		next := from
		for r, err := range m.Read(t.Context(), from, to) {
			if err != nil || r.Index != next || !bytes.Equal(r.Document, es[next].Document) || r.Fact != es[next].Fact {
				t.Fatalf("entry %d: %+v, %v", next, r, err)
			}
			next++
		}
		if next != to {
			t.Fatalf("it ends at %d", next)
		}
		if err := w.bus.JetStream.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		requests, _, err := asked.Pending()
		if err != nil {
			t.Fatal(err)
		}
		for range requests {
			if _, err := asked.NextMsg(1); err != nil {
				t.Fatal(err)
			}
		}
		return requests
	}
	if n := read(0, 3); n != 1 {
		t.Errorf("%d requests for three bodies that stand together", n)
	}
	if n := read(0, 40); n == 0 || n > 20 {
		t.Errorf("%d requests for forty bodies, of which three stand together at a time", n)
	}
	if got := read(40, n); got != n-40 {
		t.Errorf("%d requests for those that stand backwards", got)
	}
	verify(t, l)
	accept(t, m, l.Checkpoint())
	r, err := ledger.Verify(t.Context(), m.Source(), m.VerifierKey(), nil, nil)
	if err != nil || r.Faults != 0 || r.Checked != n {
		t.Errorf("%+v, %v", r, err)
	}
}
