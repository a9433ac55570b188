package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// What is wrong with a document is kept with it as evidence, stands nowhere, and
// stops no other. Of what cannot be read, or must be nowhere, the reason is kept alone.
func TestEvidence(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space, stranger := identitytest.Key(t), identitytest.Key(t)
	p.admit(space.DID())
	p.offer(space, 3)
	good := p.sign(space, m{"@type": "DataProduct", "@id": "https://space.example/changed", "title": "产品"})
	bad := map[uint64]string{}
	evidence := func(code string, kind vocab.EntryKind, document []byte) {
		bad[p.write(kind, document)] = code
		p.offer(space, 1)
	}
	evidence("proof.invalid", vocab.KindOffering, []byte(replace(string(good), "产品", "假货")))
	evidence("json.syntax", vocab.KindOffering, []byte("{"))
	secret := p.sign(space, m{"@type": "DataProduct", "@id": "https://space.example/secret", "title": "产品", "securityLevel": "绝密"})
	evidence("level.forbidden", vocab.KindOffering, secret)
	evidence("level.forbidden", vocab.KindOffering, []byte(replace(string(secret), "产品", "假货")))
	evidence("participant.personal", vocab.KindParticipant, p.sign(space, m{"@type": "Participant", "@id": "https://space.example/p", "name": "张三13800138000"}))
	evidence("entry.kind", vocab.KindWithdrawal, good)
	evidence("space.unadmitted", vocab.KindOffering, p.sign(stranger, m{"@type": "DataProduct", "@id": "https://other.example/1", "title": "产品"}))
	evidence("kind.reserved", vocab.KindAct, p.sign(stranger, m{"@type": "Admission", "space": stranger.DID(), "by": "did:key:zOfficer"}))
	evidence("", 200, p.sign(space, m{"@type": "DataProduct", "@id": "https://space.example/odd", "title": "产品"}))
	f := w.follow(p, false)
	got := f.advance(t, p, true, p.last())
	if got.Faulty != uint64(len(bad)) {
		t.Errorf("%+v", got)
	}
	size := int(p.size())
	f.wantStates(p, p.size(), states{ledger.Held: size - len(bad), ledger.Faulty: len(bad)})
	for i, code := range bad {
		document, why, err := f.Log.Evidence(t.Context(), i)
		kept := code != "json.syntax" && code != "level.forbidden" && code != "participant.personal"
		if err != nil || kept != p.leaf(i).Matches(document) || !kept && len(document) > 0 {
			t.Errorf("entry %d, %s: %d bytes are kept, %v", i, code, len(document), err)
		}
		if problem := FaultOf(why); code != "" && problem.Code != code || problem.Message["zh"] == "" || problem.Message["en"] == "" {
			t.Errorf("entry %d: %+v, want %s", i, problem, code)
		}
	}
	if s, _ := f.judge.Registry().Space(space.DID()); s.Offerings != size-1-len(bad) {
		t.Errorf("%d offerings of %d entries", s.Offerings, size)
	}
	if s, _ := f.judge.Registry().Space(stranger.DID()); s.Offerings != 0 {
		t.Errorf("the stranger has %d offerings", s.Offerings)
	}
	// Who opens the mirror anew comes to the same.
	before, _ := f.judge.Registry().Digest(w.clock.now())
	if err := f.Log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := w.follow(p, false).judge.Registry().Digest(w.clock.now()); after != before {
		t.Error("opened anew, other offerings stand")
	}
}

func replace(s, old, new string) string {
	for i := range s {
		if len(s) >= i+len(old) && s[i:i+len(old)] == old {
			return s[:i] + new + s[i+len(old):]
		}
	}
	return s
}

// withholds is p, but for some entries that it keeps back.
func withholds(p *paper, indexes ...uint64) *evil {
	hidden := map[vocab.Digest]bool{}
	for _, i := range indexes {
		hidden[p.leaf(i).SHA256] = true
	}
	return &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		out, err := p.Documents(ctx, "", digests)
		for i := range out {
			if hidden[digests[i]] {
				out[i] = Document{State: DocumentWithheld}
			}
		}
		return out, err
	}}
}

// A card that was older than the log's newest one said that the hub takes nobody
// whom it has not admitted. Once the mirror is opened with the newest one, it
// holds what every other does, also where bodies had come late.
func TestOlderCard(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 20)
	p.write(vocab.KindOffering, []byte(`{"no":"proof"}`))
	f := w.follow(p, false)
	f.advance(t, withholds(p, 3), false, p.last())
	if n, err := f.Mend(t.Context(), p, true); n != 1 || err != nil {
		t.Fatalf("%d filled, %v", n, err)
	}
	f.wantStates(p, 21, states{ledger.Faulty: 21})
	for _, open := range []bool{false, true, true} {
		if err := f.Log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		f = w.follow(p, open)
		f.appended = make([]uint64, p.size())
		before := f.Log.Size()
		p.offer(space, 1)
		f.advance(t, p, true, p.last())
		if f.Log.Size() != before+1 {
			t.Fatalf("%d entries", f.Log.Size())
		}
		f.appended = make([]uint64, p.size())
		if !open {
			f.wantStates(p, 22, states{ledger.Faulty: 22})
			continue
		}
		f.wantStates(p, p.size(), states{ledger.Held: int(p.size()) - 1, ledger.Faulty: 1})
		if s, _ := f.judge.Registry().Space(space.DID()); s.Offerings != int(p.size())-1 {
			t.Errorf("%d offerings stand of %d", s.Offerings, p.size()-1)
		}
	}
}

// A relay that keeps an admission back makes nobody's offerings look refused:
// they are missing until the log's own hub gives it, by itself or asked to mend.
func TestRightsKeptBack(t *testing.T) {
	for _, mend := range []bool{false, true} {
		t.Run(fmt.Sprintf("mend %v", mend), func(t *testing.T) {
			w, p := newWorld(t), newPaper(t)
			space, stranger := identitytest.Key(t), identitytest.Key(t)
			admission := p.admit(space.DID())
			p.offer(space, 20)
			p.offer(stranger, 1)
			f := w.follow(p, false)
			relay := withholds(p, admission)
			if got := f.advance(t, relay, false, p.last()); got.Withheld != 0 || got.Missing != 22 || got.Faulty != 0 {
				t.Fatalf("%+v", got)
			}
			if mend {
				filled, err := f.Mend(t.Context(), p, true)
				if err != nil || filled != 22 {
					t.Fatalf("%d filled, %v", filled, err)
				}
			} else { // the next offering is what makes it ask
				p.offer(space, 1)
				f.advance(t, p, true, p.last())
				if filled, err := f.Mend(t.Context(), p, true); err != nil || filled != 21 {
					t.Fatalf("%d filled, %v", filled, err)
				}
			}
			n := int(p.size())
			f.wantStates(p, p.size(), states{ledger.Held: n - 1, ledger.Faulty: 1})
			if len(f.filled) != 22 {
				t.Errorf("told of %d", len(f.filled))
			}
			if s, _ := f.judge.Registry().Space(space.DID()); s.Offerings != n-2 {
				t.Errorf("%d offerings stand of %d", s.Offerings, n-2)
			}
			if n, err := f.Mend(t.Context(), p, true); n != 0 || err != nil {
				t.Errorf("mended again: %d, %v", n, err)
			}
		})
	}
}

// What the log's own hub keeps back, as an act that is not for this reader, is
// withheld; an entry that does not stand is then faulty, and nothing is in doubt.
func TestOwnHubKeepsBack(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space, stranger := identitytest.Key(t), identitytest.Key(t)
	p.admit(space.DID())
	hidden := p.say(p.hub, vocab.KindAct, m{"@type": "Suspension", "space": identitytest.Key(t).DID(), "by": "did:key:zOfficer", "reason": "x"})
	p.offer(space, 5)
	p.offer(stranger, 2)
	p.offer(space, 5)
	f := w.follow(p, false)
	if got := f.advance(t, withholds(p, hidden), true, p.last()); got.Withheld != 1 || got.Faulty != 2 || got.Missing != 0 {
		t.Errorf("%+v", got)
	}
	f.wantStates(p, p.size(), states{ledger.Held: 11, ledger.Withheld: 1, ledger.Faulty: 2})
	// Allowed later, it comes later.
	if n, err := f.Mend(t.Context(), p, true); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// slowFold is a Judge that takes a second to fold its log anew.
type slowFold struct {
	Judge
	clock *clock
	folds int
}

func (j *slowFold) Late(ctx context.Context, late map[uint64]any) (map[uint64]Verdict, error) {
	j.folds++
	j.clock.move(time.Second)
	return j.Judge.Late(ctx, late)
}

// The log's own hub gives what it kept back one by one, with each an entry that
// may hang on it: the log is folded anew for that a small part of the time only,
// and what is in doubt meanwhile is missing, and comes.
func TestGivenOneByOne(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	var kept []uint64
	for range 4 {
		kept = append(kept, p.admit(identitytest.Key(t).DID()))
	}
	p.offer(space, 1) // nobody admitted it
	f := w.follow(p, false)
	slow := &slowFold{Judge: f.Judge, clock: w.clock}
	f.Judge = slow
	if got := f.advance(t, withholds(p, kept...), false, p.last()); got.Withheld != 0 || got.Missing != 5 {
		t.Fatalf("%+v", got)
	}
	for i := range kept {
		p.offer(space, 1)
		f.advance(t, withholds(p, kept[i+1:]...), true, p.last())
		if _, err := f.Mend(t.Context(), withholds(p, kept[i+1:]...), true); err != nil {
			t.Fatal(err)
		}
	}
	if slow.folds != 1 {
		t.Errorf("folded %d times", slow.folds)
	}
	f.wantStates(p, p.size(), states{ledger.Held: 1, ledger.Faulty: 1, ledger.Missing: 7})
	w.clock.move(foldShare * time.Second)
	if n, err := f.Mend(t.Context(), p, true); n != 7 || err != nil {
		t.Errorf("%d filled, %v", n, err)
	}
	f.wantStates(p, p.size(), states{ledger.Held: 4, ledger.Faulty: 5})
}

// Whoever comes after a redaction holds what those hold who came before it.
func TestRedactions(t *testing.T) {
	w, late := newWorld(t), newWorld(t)
	p := newPaper(t)
	space, second := identitytest.Key(t), identitytest.Key(t)
	p.admit(space.DID())
	descriptor := p.write(vocab.KindSpace, p.sign(space, m{"@type": "Space", "@id": space.DID(), "name": m{"zh": "某空间"}, "key": []string{space.DID(), second.DID()}}, second))
	p.offer(space, 5)
	p.offer(second, 5)
	early := w.follow(p, false)
	early.advance(t, p, true, p.last())
	early.wantStates(p, 12, states{ledger.Held: 12})

	p.redact(descriptor, space.DID(), second.DID())
	p.redact(4)
	p.offer(second, 1)
	early.advance(t, p, true, p.last())
	early.wantStates(p, 15, states{ledger.Held: 13, ledger.Redacted: 2})

	f := late.follow(p, false)
	if got := f.advance(t, p, true, p.last()); got.Redacted != 2 || got.Faulty != 0 || got.Missing != 0 {
		t.Errorf("%+v", got)
	}
	f.wantStates(p, 15, states{ledger.Held: 13, ledger.Redacted: 2})
	if at := f.Log.First(ledger.Redacted); len(at) != 0 {
		t.Errorf("unexplained: %v", at)
	}
	a, n := early.judge.Registry().Digest(w.clock.now())
	b, n2 := f.judge.Registry().Digest(w.clock.now())
	if a != b || n != n2 || n == 0 {
		t.Errorf("%d and %d offerings stand, %v", n, n2, a == b)
	}
	// A body that comes with its redaction is not kept.
	if r, err := early.Log.Get(t.Context(), 4); err != nil || r.Document != nil || !r.Redacted {
		t.Errorf("%+v, %v", r, err)
	}
}

// What redacts nothing redacts it for nobody: a redaction that another than the
// hub signed, or of an entry that comes after it. Whoever reads the log in one go
// holds what those hold who read it entry by entry.
func TestFalseRedactions(t *testing.T) {
	for name, c := range map[string]struct {
		write func(p *paper, space *identity.Key)
		want  states
	}{
		"signed by the space": {func(p *paper, space *identity.Key) {
			p.offer(space, 3)
			p.say(space, vocab.KindRedaction, p.redaction(1, p.leaf(1), p.documents[p.leaf(1).SHA256]))
		}, states{ledger.Held: 3, ledger.Faulty: 1}},
		"of a later entry": {func(p *paper, space *identity.Key) {
			p.offer(space, 1)
			raw := p.sign(space, m{"@type": "DataProduct", "@id": "https://space.example/late", "title": "后来的"})
			p.say(p.hub, vocab.KindRedaction, p.redaction(2, ledger.NewLeaf(vocab.KindOffering, p.at.Add(2*time.Second), raw), raw))
			p.write(vocab.KindOffering, raw) // of barred content, so it does not stand
		}, states{ledger.Held: 2, ledger.Faulty: 1}},
		"with another leaf record": {func(p *paper, space *identity.Key) {
			p.offer(space, 2)
			p.say(p.hub, vocab.KindRedaction, p.redaction(1, p.leaf(0), p.documents[p.leaf(1).SHA256]))
		}, states{ledger.Held: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			w, late, p := newWorld(t), newWorld(t), newPaper(t)
			c.write(p, identitytest.Key(t))
			early, f := w.follow(p, true), late.follow(p, true)
			for n := range p.size() {
				early.advance(t, p, true, p.note(n+1))
			}
			f.advance(t, p, true, p.last())
			early.wantStates(p, p.size(), c.want)
			f.wantStates(p, p.size(), c.want)
			a, n := early.judge.Registry().Digest(w.clock.now())
			b, n2 := f.judge.Registry().Digest(w.clock.now())
			if a != b || n != n2 || n == 0 {
				t.Errorf("%d and %d offerings stand, %v", n, n2, a == b)
			}
		})
	}
}

// A redaction that lies in a later part of the log is found all the same, in time:
// what a source calls redacted before that is missing until then.
func TestRedactionInLaterPart(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 200)
	p.redact(3)
	f := w.follow(p, true)
	f.chunk = 64
	f.advance(t, p, true, p.last())
	f.wantStates(p, p.size(), states{ledger.Held: 200, ledger.Redacted: 1})
	if n := f.Log.Count(ledger.Missing); n != 0 {
		t.Errorf("%d missing", n)
	}
}

// A relay kept a body that was redacted, and denies the redaction. Whoever believed
// it deletes the body when the redaction comes.
func TestLateRedaction(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 5)
	gone := p.leaf(2).SHA256
	body := p.documents[gone]
	redaction := p.leaf(p.redact(2)).SHA256
	liar := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		out, err := p.Documents(ctx, "", digests)
		for i, d := range digests {
			switch d {
			case gone:
				out[i] = Document{State: DocumentGiven, Bytes: body}
			case redaction:
				out[i] = Document{State: DocumentMissing}
			}
		}
		return out, err
	}}
	f := w.follow(p, true)
	f.advance(t, liar, false, p.last())
	if r, err := f.Log.Get(t.Context(), 2); err != nil || !bytes.Equal(r.Document, body) {
		t.Fatalf("nobody knows better yet: %+v, %v", r, err)
	}
	for range 2 { // repeating changes nothing
		if _, err := f.Mend(t.Context(), p, true); err != nil {
			t.Fatal(err)
		}
		f.wantStates(p, 6, states{ledger.Held: 5, ledger.Redacted: 1})
	}
	if n := f.Log.Redactions(); n != 1 {
		t.Errorf("%d redactions", n)
	}
	if r, err := f.Log.Get(t.Context(), 2); err != nil || r.Document != nil || !r.Redacted {
		t.Errorf("%+v, %v", r, err)
	}
	if s := f.judge.Registry().Spaces(); len(s) != 1 || s[0].Offerings != 4 {
		t.Errorf("%+v", s)
	}
}

// An append that fails leaves a judge ahead of the log; the next copy puts that
// right first.
func TestJudgeAhead(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 30)
	f := w.follow(p, true)
	f.advance(t, p, true, p.note(10))
	read, err := f.Judge.Read(t.Context(), p.leaf(20), p.documents[p.leaf(20).SHA256])
	if err != nil {
		t.Fatal(err)
	}
	fact, err := f.Judge.Stand(20, p.leaf(20), read)
	if err != nil {
		t.Fatal(err)
	}
	f.Judge.Apply(20, p.leaf(20), fact, read)
	f.advance(t, p, true, p.last())
	f.wantStates(p, 30, states{ledger.Held: 30})
	if s := f.judge.Registry().Spaces(); len(s) != 1 || s[0].Offerings != 30 {
		t.Errorf("%+v", s)
	}
}

// A reason fits the log however long it is, in both languages.
func TestFaultText(t *testing.T) {
	long := ""
	for range 3000 {
		long += "长"
	}
	for _, err := range []error{
		errors.New(long), errors.New(""), vocab.Problems{vocab.NewProblem("/"+long, "x.y", "%[1]s", "%[2]s", long, "\x00<>&"+long)}, vocab.Problems{},
	} {
		text := faultText(err)
		if p := FaultOf(text); len(text) > ledger.MaxFault || p.Code == "" || p.Message.In("zh") == "" && err.Error() != "" {
			t.Errorf("%d bytes: %+v", len(text), p)
		}
	}
	if p := FaultOf("plain words"); p.Message["zh"] != "plain words" || p.Code == "" {
		t.Errorf("%+v", p)
	}
}
