package admission

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// many publishes n offerings of a space and returns their @ids.
func (h *hub) many(k *identity.Key, n int) []string {
	h.t.Helper()
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		ids[i] = fmt.Sprintf("https://space.example/m%d", i)
		wg.Go(func() {
			if r := h.publish(k, fmt.Sprintf("m%d", i)); r.Status != vocab.Accepted {
				h.t.Errorf("%s %v", r.Status, r.Problems)
			}
		})
	}
	wg.Wait()
	return ids
}

func TestManyNeedASecondPerson(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	ids := h.many(k, MaxAlone+20)
	second := access.Who{DID: identitytest.Key(t).DID(), Roles: []access.Role{access.Review}}
	size := h.log.Size()
	propose := func() *Proposal {
		t.Helper()
		out, err := h.Remove(t.Context(), h.review, k.DID(), ids, "主管部门要求")
		if err != nil || out.Receipt != nil || out.Proposal == nil {
			t.Fatalf("%+v, %v", out, err)
		}
		return out.Proposal
	}
	p := propose()
	if h.log.Size() != size {
		t.Error("done by one person")
	}
	list, err := h.Proposals(t.Context(), second)
	if err != nil || len(list) != 1 || list[0].ID != p.ID || len(list[0].Offerings) != len(ids) || list[0].By != h.review.DID {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = h.Proposals(t.Context(), access.Who{Roles: []access.Role{access.Audit}})
	wantCode(t, err, "access.forbidden")

	_, err = h.Approve(t.Context(), h.review, p.ID)
	wantCode(t, err, "proposal.own")
	_, err = h.Approve(t.Context(), h.security, p.ID) // may approve, but not remove
	wantCode(t, err, "access.forbidden")
	for _, id := range []string{"", "none", "../x", "a.b", ">", strings.Repeat("a", 100)} {
		_, err = h.Approve(t.Context(), second, id)
		wantCode(t, err, "proposal.unknown")
	}
	h.fail = func([]byte) bool { return true } // what could not be done can be approved again
	if _, err := h.Approve(t.Context(), second, p.ID); err == nil {
		t.Fatal("said to be done")
	}
	h.fail = nil
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _, _ = h.Approve(t.Context(), second, p.ID) })
	}
	wg.Wait()
	if h.log.Size() != size+1 {
		t.Fatalf("%d acts", h.log.Size()-size)
	}
	rec, err := h.log.Get(t.Context(), size)
	if err != nil || !strings.Contains(string(rec.Document), `"second":"`+second.DID+`"`) || !strings.Contains(string(rec.Document), `"by":"`+h.review.DID+`"`) {
		t.Errorf("%s, %v", rec.Document, err)
	}
	for _, id := range ids {
		if v, _ := h.registry.Version(vocab.KeyOf(k.DID(), id)); !v.Final {
			t.Fatalf("%s stands", id)
		}
	}
	if list, err := h.Proposals(t.Context(), second); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}

	old := propose()
	h.clock.move(proposalAge)
	_, err = h.Approve(t.Context(), second, old.ID)
	wantCode(t, err, "proposal.unknown")
	if list, err := h.Proposals(t.Context(), second); err != nil || len(list) != 0 {
		t.Errorf("expired: %+v, %v", list, err)
	}
}

// An order for many cut into pieces is an order for many.
func TestManyInPieces(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	ids := h.many(k, MaxAlone+1)
	out, err := h.Remove(t.Context(), h.review, k.DID(), ids[:MaxAlone], "一")
	if err != nil || out.Receipt == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	last := ids[MaxAlone:]
	if out, err = h.open().Remove(t.Context(), h.review, k.DID(), last, "二"); err != nil || out.Proposal == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	h.clock.move(spentFor + time.Minute)
	if out, err = h.Remove(t.Context(), h.review, k.DID(), last, "二"); err != nil || out.Receipt == nil || out.Receipt.Status != vocab.Accepted {
		t.Errorf("an hour later: %+v, %v", out, err)
	}
}

// The hour slides: no sixty minutes hold more than MaxAlone, wherever they begin.
func TestTheHourSlides(t *testing.T) {
	h := newHub(t)
	at := 0
	redact := func(n int) (alone bool) {
		t.Helper()
		entries := make([]Redacted, n)
		for i := range entries {
			entries[i] = Redacted{Index: uint64(at + i), Ground: "personal"}
		}
		at += n
		out, err := h.open().Redact(t.Context(), h.security, entries)
		if err != nil {
			t.Fatal(err)
		}
		return out.Proposal == nil
	}
	for _, step := range []struct {
		after time.Duration
		n     int
		alone bool
	}{
		{0, 1, true},
		{59 * time.Minute, MaxAlone - 1, true},
		{0, 1, false},
		{time.Minute, MaxAlone, false}, // only the first one is an hour old
		{0, 2, false},
		{0, 1, true},
		{57 * time.Minute, 1, false},
		{2 * time.Minute, MaxAlone - 1, true},
		{-10 * time.Minute, 1, false}, // a clock that goes back gives nothing
	} {
		h.clock.move(step.after)
		if alone := redact(step.n); alone != step.alone {
			t.Errorf("%d after %v: alone %v", step.n, step.after, alone)
		}
	}
	// What one has done is not another's.
	if out, err := h.Redact(t.Context(), h.review, []Redacted{{Index: 1, Ground: "personal"}}); err != nil || out.Proposal != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

// One person under two names is one, for the hour and for the second person.
func TestOnePersonTwoNames(t *testing.T) {
	h := newHub(t)
	person := func(name, at string) access.Who {
		return access.Who{Via: access.ViaSession, Org: "91512081MA62K0260E", Name: name, At: at + strings.Repeat("a", 31), Roles: []access.Role{access.Review}}
	}
	entries := make([]Redacted, MaxAlone+1)
	for i := range entries {
		entries[i] = Redacted{Index: uint64(i), Ground: "personal"}
	}
	if out, err := h.Redact(t.Context(), person("alice", "x"), entries[:MaxAlone]); err != nil || out.Proposal != nil {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err := h.Redact(t.Context(), person("alice2", "x"), entries[:1])
	if err != nil || out.Proposal == nil {
		t.Fatalf("a new name gives another %d: %+v, %v", MaxAlone, out, err)
	}
	_, err = h.Approve(t.Context(), person("alice3", "x"), out.Proposal.ID)
	wantCode(t, err, "proposal.own")
	if done, err := h.Approve(t.Context(), person("alice2", "y"), out.Proposal.ID); err != nil || len(done.Receipts) != 1 {
		t.Errorf("another of the same name: %+v, %v", done, err)
	}
}

// Who proposes what nobody can approve is told so, and so is who looks.
func TestProposalThatNobodyCanApprove(t *testing.T) {
	h := newHub(t)
	entries := make([]Redacted, MaxAlone+1)
	for i := range entries {
		entries[i] = Redacted{Index: uint64(i), Ground: "personal"}
	}
	for _, alone := range []bool{false, true} {
		h.alone = alone
		out, err := h.Redact(t.Context(), h.security, entries)
		if err != nil || out.Proposal == nil || out.Proposal.Nobody != alone || (len(out.Warnings) == 1) != alone {
			t.Fatalf("%v: %+v, %v", alone, out, err)
		}
		if alone {
			wantCode(t, out.Warnings, "proposal.nobody")
			if !strings.Contains(out.Warnings[0].Message["zh"], "删除正文") || !strings.Contains(out.Warnings[0].Message["en"], "redact entries") {
				t.Errorf("%v", out.Warnings)
			}
		}
		list, err := h.Proposals(t.Context(), h.review)
		if err != nil || len(list) == 0 {
			t.Fatal(err)
		}
		for _, p := range list {
			if p.Nobody != alone {
				t.Errorf("%v: %+v", alone, p)
			}
		}
	}
}

func TestRedactionsByTwo(t *testing.T) {
	h := newHub(t)
	entries := func(n int) []Redacted {
		list := make([]Redacted, n)
		for i := range list {
			list[i] = Redacted{Index: uint64(i), Ground: "personal"}
		}
		return list
	}
	if out, err := h.Redact(t.Context(), h.security, entries(3)); err != nil || len(out.Receipts) != 3 || out.Proposal != nil {
		t.Fatalf("%+v, %v", out, err)
	}
	// One named again and again is one.
	same := append(slices.Repeat(entries(2), MaxAlone), Redacted{Index: 1, Ground: "retention"})
	if out, err := h.Redact(t.Context(), h.security, same); err != nil || len(out.Receipts) != 2 || out.Proposal != nil || !slices.Equal(h.redacted[1], entries(2)) {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err := h.Redact(t.Context(), h.security, entries(MaxAlone+1))
	if err != nil || out.Proposal == nil || len(h.redacted) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	h.broken = vocab.Problems{vocab.NewProblem("", "redact.incomplete", "未删净", "not all")}
	_, err = h.Approve(t.Context(), h.review, out.Proposal.ID)
	wantCode(t, err, "redact.incomplete")
	h.broken = nil
	if done, err := h.Approve(t.Context(), h.review, out.Proposal.ID); err != nil || len(done.Receipts) != MaxAlone+1 || len(h.redacted) != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	_, err = h.Redact(t.Context(), access.Who{Roles: []access.Role{access.System}}, entries(1))
	wantCode(t, err, "access.forbidden")
	for _, n := range []int{0, MaxRedacted + 1} {
		_, err = h.Redact(t.Context(), h.security, entries(n))
		wantCode(t, err, "request.range")
	}
	big := entries(MaxRedacted)
	for i := range big {
		big[i].Reason = strings.Repeat("长", 200)
	}
	_, err = h.Redact(t.Context(), h.security, big)
	wantCode(t, err, "request.too_large")
}
