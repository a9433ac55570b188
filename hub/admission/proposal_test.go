package admission

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
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
	second := access.Who{DID: newKey(t).DID(), Roles: []access.Role{access.Review}}
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
