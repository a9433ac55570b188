package admission

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

func TestSuspendAndResume(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	h.want(h.publish(k, "a"), vocab.Accepted, "")
	size := h.log.Size()
	_, err := h.Suspend(t.Context(), h.security, k.DID(), "")
	wantCode(t, err, "request.missing")
	for i := range 2 { // again is harmless
		r, err := h.Suspend(t.Context(), h.security, k.DID(), "整改")
		if want := []vocab.Status{vocab.Accepted, vocab.Unchanged}[i]; err != nil || r.Status != want {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if h.standing(k) != registry.Suspended || h.log.Size() != size+1 {
		t.Errorf("%s with %d entries", h.standing(k), h.log.Size()-size)
	}
	h.want(h.publish(k, "b"), vocab.Refused, "space.suspended")
	h.want(h.present(k, "改名", fullDescriptor, ""), vocab.Refused, "space.suspended")
	for i := range 2 {
		r, err := h.Resume(t.Context(), h.review, k.DID(), "整改完成")
		if want := []vocab.Status{vocab.Accepted, vocab.Unchanged}[i]; err != nil || r.Status != want {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	h.want(h.publish(k, "b"), vocab.Accepted, "")
	// The log says who decided what and why.
	rec, err := h.log.Get(t.Context(), size)
	if err != nil || rec.Fact.Kind != vocab.KindAct || rec.Fact.Space != h.key.DID() || !strings.Contains(string(rec.Document), "整改") || !strings.Contains(string(rec.Document), h.security.DID) {
		t.Errorf("%+v, %v", rec, err)
	}
}

func TestKeys(t *testing.T) {
	h := newHub(t)
	k, other, fresh, thief := h.admitted("港口空间"), h.admitted("工业空间"), identitytest.Key(t), identitytest.Key(t)
	h.want(h.publish(k, "a"), vocab.Accepted, "")
	from := h.log.Size()
	h.want(h.publish(k, "b"), vocab.Accepted, "")
	h.want(h.publish(k, "c"), vocab.Accepted, "")

	dry, err := h.Compromise(t.Context(), h.security, k.DID(), k.DID(), from, "", true)
	if err != nil || dry.Receipt != nil || dry.Total != 2 || len(dry.Taken) != 2 || dry.Taken[0].Index != from || dry.Taken[0].ID != "https://space.example/b" || dry.Taken[0].Kind != "offering" {
		t.Fatalf("%+v, %v", dry, err)
	}
	h.want(h.publish(k, "d"), vocab.Accepted, "") // nothing was done
	done, err := h.Compromise(t.Context(), h.security, k.DID(), k.DID(), from, "UKey 失窃", false)
	if err != nil || done.Receipt == nil || done.Receipt.Status != vocab.Accepted || done.Total != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	h.want(h.publish(k, "e"), vocab.Refused, "key.compromised")
	now := h.clock.now()
	for id, shown := range map[string]bool{"a": true, "b": false, "c": false, "d": false} {
		v, _ := h.registry.Version(vocab.KeyOf(k.DID(), "https://space.example/"+id))
		if v.Shown(now) != shown {
			t.Errorf("%s is shown: %v", id, !shown)
		}
	}

	for name, tc := range map[string]struct {
		keys     []string
		evidence string
		want     string
	}{
		"none":        {nil, "档案 2026-7", "request.range"},
		"too many":    {make([]string, maxKeys+1), "档案 2026-7", "request.range"},
		"no key":      {[]string{"did:web:x"}, "档案 2026-7", "key.form"},
		"twice":       {[]string{fresh.DID(), fresh.DID()}, "档案 2026-7", "key.twice"},
		"another's":   {[]string{other.DID()}, "档案 2026-7", "key.taken"},
		"no evidence": {[]string{fresh.DID()}, " ", "request.missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.ReplaceKeys(t.Context(), h.security, k.DID(), tc.keys, nil, tc.evidence, "")
			wantCode(t, err, tc.want)
		})
	}
	if r, err := h.ReplaceKeys(t.Context(), h.security, k.DID(), []string{fresh.DID()}, []string{prove(t, h, k.DID(), fresh)}, "档案 2026-7", "全部丢失"); err != nil || r.Status != vocab.Accepted {
		t.Fatalf("%+v, %v", r, err)
	}
	r := h.publish(fresh, "e")
	h.want(r, vocab.Accepted, "")
	if r.Space != k.DID() {
		t.Errorf("the new key speaks for %s", r.Space)
	}
	_, err = h.Compromise(t.Context(), h.security, k.DID(), thief.DID(), 0, "", false)
	wantCode(t, err, "key.unknown")
	_, err = h.Compromise(t.Context(), h.security, k.DID(), "did:key:x", 0, "", true)
	wantCode(t, err, "key.form")
	_, err = h.Suspend(t.Context(), h.security, fresh.DID(), "x") // a key is not a space
	wantCode(t, err, "space.unknown")
}

// Killed between the act and the descriptor, admitting again completes it.
func TestAdmissionIsCompleted(t *testing.T) {
	h := newHub(t)
	k := identitytest.Key(t)
	h.want(h.present(k, "港口空间", fullDescriptor, ""), vocab.Waiting, "")
	h.fail = func(raw []byte) bool { return strings.Contains(string(raw), `"@type":"Space"`) }
	if _, err := h.Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{}); err == nil {
		t.Fatal("said to be done")
	}
	if h.log.Size() != 1 || len(h.waiters()) != 1 {
		t.Fatalf("%d entries, %d wait", h.log.Size(), len(h.waiters()))
	}
	h.fail = nil
	if _, err := h.open().Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{}); err != nil {
		t.Fatal(err)
	}
	st, _ := h.registry.Space(k.DID())
	if h.log.Size() != 2 || len(h.waiters()) != 0 || st.Space.Name["zh"] != "港口空间" {
		t.Errorf("%d entries, %d wait, %+v", h.log.Size(), len(h.waiters()), st.Space)
	}
}

// A descriptor that cannot be taken any more does not stand in the way.
func TestAdmissionWithAnExpiredDescriptor(t *testing.T) {
	h := newHub(t)
	k := identitytest.Key(t)
	raw := h.sign(k, `"@type":"Space","@id":%q,"name":"港口"`, k.DID())
	h.want(h.intake.Submit(t.Context(), raw), vocab.Waiting, "")
	a, key, _, err := h.waiting(t.Context(), k.DID())
	if err != nil {
		t.Fatal(err)
	}
	a.Document = []byte(strings.Replace(string(a.Document), "港口", "海港", 1)) // its proof does not hold any more
	if err := h.keep(t.Context(), key, a); err != nil {
		t.Fatal(err)
	}
	r, err := h.Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{})
	if err != nil || r.Status != vocab.Accepted || len(r.Warnings) < 2 || r.Warnings[0].Code != "space.descriptor_refused" {
		t.Fatalf("%+v, %v", r, err)
	}
	h.want(h.present(k, "港口", "", ""), vocab.Accepted, "")
}

func TestOfficersDecideAtOnce(t *testing.T) {
	h := newHub(t)
	k := identitytest.Key(t)
	h.want(h.present(k, "港口空间", fullDescriptor, ""), vocab.Waiting, "")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := h.Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if h.log.Size() != 2 || h.standing(k) != registry.Admitted {
		t.Errorf("%d entries", h.log.Size())
	}
}

// Who may what: each act is tried by each role that may not.
func TestRights(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	h.want(h.publish(k, "a"), vocab.Accepted, "")
	waits := identitytest.Key(t)
	h.want(h.present(waits, "后来", "", ""), vocab.Waiting, "")
	size := h.log.Size()
	orders := map[access.Right][]Order{
		access.SpaceAdmit:     {{Verb: vocab.Admission}, {Verb: vocab.Rejection, Reason: "x"}},
		access.SpaceSuspend:   {{Verb: vocab.Suspension, Reason: "x"}, {Verb: vocab.Resumption}},
		access.SpaceKeys:      {{Verb: vocab.KeyReplacement, Keys: []string{identitytest.Key(t).DID()}, Evidence: "x"}, {Verb: vocab.KeyCompromise, Key: k.DID()}, {Verb: vocab.KeyCompromise, Key: k.DID(), DryRun: true}},
		access.OfferingRemove: {{Verb: vocab.Removal, Offerings: []string{"https://space.example/a"}, Reason: "x"}},
	}
	tried := 0
	for right, list := range orders {
		for _, row := range access.Table() {
			if row.Role.May(right) {
				continue
			}
			who := access.Who{DID: "did:key:" + string(row.Role), Roles: []access.Role{row.Role}, Client: "192.0.2.66"}
			for _, o := range list {
				did := k.DID()
				if right == access.SpaceAdmit {
					did = waits.DID()
				}
				_, err := h.Act(t.Context(), who, did, o)
				wantCode(t, err, "access.forbidden")
				tried++
			}
			_, err := h.Approve(t.Context(), access.Who{Roles: []access.Role{access.System}}, "x")
			wantCode(t, err, "access.forbidden")
		}
	}
	if h.log.Size() != size || h.standing(k) != registry.Admitted {
		t.Error("something was done all the same")
	}
	if err := h.trail.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, _, err := h.trail.List(t.Context(), 0, audit.MaxList, audit.Filter{Outcome: audit.Refused})
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, r := range items {
		if r.From == "192.0.2.66" && r.Code == "access.forbidden" {
			counted += r.Count
			if object := map[bool]string{true: waits.DID(), false: k.DID()}[r.Act == "space.admit" || r.Act == "space.reject"]; r.Role != "anonymous" && r.Role != "*" && (r.Who != "did:key:"+r.Role || r.Act == "*" || r.Object != object) {
				t.Errorf("recorded as %+v", r)
			}
		}
	}
	if counted != tried-len(access.Table())+countMay(access.SpaceKeys) { // a dry run refused is not an act
		t.Errorf("%d refusals are recorded, %d were made", counted, tried)
	}
}

func countMay(right access.Right) (n int) {
	for _, row := range access.Table() {
		if row.Role.May(right) {
			n++
		}
	}
	return n
}

func TestBadOrders(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	stranger := identitytest.Key(t).DID()
	long := strings.Repeat("长", maxReason+1)
	for name, tc := range map[string]struct {
		did   string
		order Order
		want  string
	}{
		"no verb":         {k.DID(), Order{}, "request.verb"},
		"unknown verb":    {k.DID(), Order{Verb: "Deletion"}, "request.verb"},
		"no DID":          {"港口", Order{Verb: vocab.Admission}, "request.did"},
		"long DID":        {"did:key:" + strings.Repeat("x", maxDID), Order{Verb: vocab.Admission}, "request.did"},
		"DID of lines":    {"did:key:x\ny", Order{Verb: vocab.Admission}, "request.did"},
		"long reason":     {k.DID(), Order{Verb: vocab.Suspension, Reason: long}, "request.text"},
		"hidden reason":   {k.DID(), Order{Verb: vocab.Suspension, Reason: "a\u202eb"}, "request.text"},
		"broken reason":   {k.DID(), Order{Verb: vocab.Suspension, Reason: "a\xff"}, "request.text"},
		"dry admission":   {k.DID(), Order{Verb: vocab.Admission, DryRun: true}, "request.dry_run"},
		"unknown space":   {stranger, Order{Verb: vocab.Suspension, Reason: "x"}, "space.unknown"},
		"never presented": {stranger, Order{Verb: vocab.Admission}, "space.not_waiting"},
		"nothing removed": {k.DID(), Order{Verb: vocab.Removal, Reason: "x"}, "request.range"},
		"unknown id":      {k.DID(), Order{Verb: vocab.Removal, Reason: "x", Offerings: []string{"https://space.example/none"}}, "offering.unknown"},
		"no reason":       {k.DID(), Order{Verb: vocab.Removal, Offerings: []string{"x"}}, "request.missing"},
	} {
		t.Run(name, func(t *testing.T) {
			both := h.review
			both.Roles = append(both.Roles, access.Security)
			_, err := h.Act(t.Context(), both, tc.did, tc.order)
			wantCode(t, err, tc.want)
		})
	}
}

// What the trail cannot take is not done.
func TestNoActWithoutARecord(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	size := h.log.Size()
	if err := h.bus.JetStream.DeleteStream(t.Context(), "LIANMU_AUDIT"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Suspend(t.Context(), h.security, k.DID(), "x")
	wantCode(t, err, "audit.unavailable")
	if h.log.Size() != size || h.standing(k) != registry.Admitted {
		t.Error("done without a record")
	}
}

func TestRemoval(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	h.want(h.publish(k, "a"), vocab.Accepted, "")
	id := "https://space.example/a"
	out, err := h.Remove(t.Context(), h.review, k.DID(), []string{id, id}, "主管部门要求")
	if err != nil || out.Proposal != nil || out.Receipt.Status != vocab.Accepted {
		t.Fatalf("%+v, %v", out, err)
	}
	v, _ := h.registry.Version(vocab.KeyOf(k.DID(), id))
	if v.Shown(h.clock.now()) || !v.Final {
		t.Errorf("%+v", v)
	}
	if r := h.publish(k, "a"); r.Status != vocab.Refused {
		t.Errorf("published again: %+v", r)
	}
	size := h.log.Size()
	if out, err = h.Remove(t.Context(), h.review, k.DID(), []string{id}, "再次"); err != nil || out.Receipt.Status != vocab.Unchanged || h.log.Size() != size {
		t.Errorf("%+v, %v", out, err)
	}
}

// What everybody could see and what was hidden are removed by acts of their own.
func TestRemovalKeepsHiddenNamesApart(t *testing.T) {
	h := newHub(t)
	k := h.admitted("港口空间")
	h.want(h.publish(k, "a", `"audience":"public"`), vocab.Accepted, "")
	h.want(h.publish(k, "b", `"audience":"space"`), vocab.Accepted, "")
	a, b := "https://space.example/a", "https://space.example/b"
	out, err := h.Remove(t.Context(), h.review, k.DID(), []string{b, a}, "主管部门要求")
	if err != nil || len(out.Receipts) != 2 || out.Receipt.Log == nil || *out.Receipt.Log != *out.Receipts[0].Log {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, want := range []string{a, b} {
		rec, err := h.log.Get(t.Context(), out.Receipts[i].Log.Index)
		if err != nil || !strings.Contains(string(rec.Document), `["`+want+`"]`) {
			t.Errorf("act %d is not about %s alone: %s, %v", i, want, rec.Document, err)
		}
		if v, _ := h.registry.Version(vocab.KeyOf(k.DID(), want)); !v.Final {
			t.Errorf("%s stands: %+v", want, v)
		}
	}
}

// prove is what the holders of keys sign for a space.
func prove(t *testing.T, h *hub, space string, keys ...*identity.Key) string {
	t.Helper()
	signers := make([]identity.Signer, len(keys))
	for i, k := range keys {
		signers[i] = k
	}
	proof, err := ProveKeys(space, h.clock.now(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// A key belongs to one space for ever, so an officer alone cannot give away one
// that somebody else holds: neither a space that waits nor a key that nobody has
// seen yet.
func TestNobodyElsesKeyIsGivenAway(t *testing.T) {
	h := newHub(t)
	k, other := h.admitted("港口空间"), h.admitted("工业空间")
	waits, invited, fresh, second := identitytest.Key(t), identitytest.Key(t), identitytest.Key(t), identitytest.Key(t)
	h.want(h.present(waits, "后来的空间", fullDescriptor, ""), vocab.Waiting, "")
	code, _, err := h.Invite(t.Context(), h.review, "客人", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.want(h.present(invited, "受邀的空间", fullDescriptor, code), vocab.Waiting, "")
	size := h.log.Size()

	stale, err := ProveKeys(k.DID(), h.clock.now().Add(-31*24*time.Hour), fresh)
	if err != nil {
		t.Fatal(err)
	}
	good := prove(t, h, k.DID(), fresh)
	for name, c := range map[string]struct {
		keys   []*identity.Key
		proofs []string
		want   string
	}{
		"one that waits":                 {[]*identity.Key{waits}, nil, "key.waits"},
		"one that waits, with its proof": {[]*identity.Key{waits}, []string{prove(t, h, k.DID(), waits)}, "key.waits"},
		"one that is invited":            {[]*identity.Key{invited}, []string{prove(t, h, k.DID(), invited)}, "key.waits"},
		"an admitted space":              {[]*identity.Key{other}, []string{prove(t, h, k.DID(), other)}, "key.taken"},
		"unproven":                       {[]*identity.Key{fresh}, nil, "key.unproven"},
		"proven by another":              {[]*identity.Key{fresh}, []string{prove(t, h, k.DID(), second)}, "key.unproven"},
		"one of two":                     {[]*identity.Key{fresh, second}, []string{good}, "key.unproven"},
		"for another space":              {[]*identity.Key{fresh}, []string{prove(t, h, other.DID(), fresh)}, "key.proof"},
		"expired":                        {[]*identity.Key{fresh}, []string{stale}, "proof.expired"},
		"altered":                        {[]*identity.Key{fresh}, []string{strings.Replace(prove(t, h, other.DID(), fresh), other.DID(), k.DID(), 1)}, "proof.invalid"},
		"something else it signed":       {[]*identity.Key{fresh}, []string{string(h.sign(fresh, `"@type":"Space","@id":%q,"space":%q,"name":"x"`, fresh.DID(), k.DID()))}, "key.proof"},
		"no document":                    {[]*identity.Key{fresh}, []string{"proof"}, ""},
		"too long":                       {[]*identity.Key{fresh}, []string{strings.Repeat("x", maxProof+1)}, "key.proof"},
		"too many":                       {[]*identity.Key{fresh}, make([]string, maxKeys+1), "request.range"},
	} {
		var keys []string
		for _, k := range c.keys {
			keys = append(keys, k.DID())
		}
		_, err := h.Act(t.Context(), h.security, k.DID(), Order{Verb: vocab.KeyReplacement, Keys: keys, Proofs: c.proofs, Evidence: "档案 2026-7"})
		var ps vocab.Problems
		if !errors.As(err, &ps) || c.want != "" && ps[0].Code != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if h.log.Size() != size {
		t.Errorf("%d entries came of it", h.log.Size()-size)
	}
	// Whom an officer tried to lock out comes in all the same.
	for _, applicant := range []*identity.Key{waits, invited} {
		if r, err := h.Admit(t.Context(), h.review, applicant.DID(), "", vocab.Digest{}); err != nil || r.Status != vocab.Accepted {
			t.Fatalf("%+v, %v", r, err)
		}
		h.want(h.publish(applicant, "x"), vocab.Accepted, "")
	}
	// Two new keys may prove themselves on one line, and the space's own need not.
	if _, err := h.ReplaceKeys(t.Context(), h.security, k.DID(), []string{fresh.DID(), second.DID(), k.DID()}, []string{prove(t, h, k.DID(), fresh, second)}, "档案 2026-7", ""); err != nil {
		t.Fatal(err)
	}
	for _, key := range []*identity.Key{fresh, second, k} {
		if r := h.publish(key, "y"+key.DID()[20:30]); r.Status != vocab.Accepted || r.Space != k.DID() {
			t.Errorf("%+v", r)
		}
	}
	// No proof is an entry of a log, whoever sends it.
	h.want(h.intake.Submit(t.Context(), []byte(good)), vocab.Refused, "type.missing")
}
